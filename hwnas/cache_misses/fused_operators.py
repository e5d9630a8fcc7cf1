"""Which of a network's operators have no kernel of their own, because another one's kernel does their work."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from hwnas.cache_misses.operators import OPERATOR_KINDS, operator_kind
from hwnas.core.kernel import Kernel

_ATEN = re.compile(r".*?/aten\.(?P<type>\w+)\.\w+")
_NUMBER = re.compile(r"_\d+$")


def fused_shares(kernels: Iterable[Kernel]) -> dict[str, float]:
    """Kind of operator -> share of the network's operators of that kind that run inside another's kernel.

    Args:
        kernels: As a backend tells them, with the source operators of each; one that tells none stands
            for itself.
    """
    inside: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for kernel in kernels:
        kind = operator_kind(kernel.type)
        own[kind] += 1
        # A convolution can bear the name of the multiplication that was folded into its weights.
        operators = dict.fromkeys(_operator(name) for name in kernel.fused)
        own_name = _operator(kernel.name)
        served = [kind if name == own_name else _source_kind(name) for name in operators]
        if kind in served:
            served.remove(kind)
        inside.update(served)
    return {k: inside[k] / (inside[k] + own[k]) for k in OPERATOR_KINDS if inside[k]}


def _operator(name: str) -> str:
    """The network's operator that a node stands for; several nodes can: a convolution's product and its bias.

    Nodes of a converted PyTorch network are called like ``silu_3/aten.silu.default/Swish``.
    """
    match = _ATEN.match(name)
    return match[0] if match else name


def _source_kind(operator: str) -> str:
    """Of ``silu_3/aten.silu.default``, or of another framework's name such as ``/features/Relu_7``."""
    match = _ATEN.match(operator)
    return operator_kind(match["type"] if match else _NUMBER.sub("", operator.rpartition("/")[2]))
