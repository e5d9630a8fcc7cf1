"""Which channels of a network belong together, read off its operators.

The network runs once, on tensors without data. Every activation carries a label for each of its channels;
operators hand them on, join them, or fix them. An operator that is not known here fixes what it reads: its
channels are not pruned, and nothing is guessed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS
from hwnas.netadapt import layer_rules, moving_rules
from hwnas.netadapt.marking import Axis, Marking, shared_names
from hwnas.netadapt.marks import fixed_mark
from hwnas.workloads.dry_run import run, tensors_in

#: Takes what is known, an operator's name, what it reads and what it gives; tells whether it could mark that.
Rule = Callable[[Marking, str, Sequence[Any], Any], bool]

#: Names of operators without the underscore behind those that work in place -> rule.
_RULES: tuple[tuple[str, Rule], ...] = (
    (
        r"""
        add | sub | rsub | mul | div | maximum | minimum | pow | abs | neg | exp | sqrt | rsqrt
        | relu | relu6 | hardtanh | clamp (_min | _max)? | hardswish | hardsigmoid | silu | gelu | sigmoid
        | log_sigmoid | tanh | mish | elu | selu | celu | leaky_relu | softplus | (native_)? dropout
        """
        + "".join(f"| {name} " for name in layer_rules.COPYING),
        layer_rules.pointwise,
    ),
    (r"_? convolution", layer_rules.convolution),
    (r"addmm | mm | linear", layer_rules.linear),
    (r"(_? native_ | cudnn_ | _)? batch_norm \w*", layer_rules.normalising),
    (
        r"(_? adaptive_)? (avg | max)_pool [123]d (_with_indices)? | _? upsample_ \w+ [123]d \w*"
        r"| (reflection | replication)_pad [123]d",
        layer_rules.pooling,
    ),
    (r"mean | sum | amax | amin", layer_rules.reducing),
    (r"constant_pad_nd", layer_rules.padding),
    (" | ".join(moving_rules.RESHAPING), moving_rules.moving),
    (r"permute | transpose | t | squeeze | unsqueeze | expand", moving_rules.moving),
    (r"slice | select | split | split_with_sizes | unbind", moving_rules.cutting),
    (r"cat", moving_rules.joining),
)
_COMPILED = tuple((re.compile(names, re.VERBOSE), rule) for names, rule in _RULES)


@dataclass(frozen=True)
class TracedChannels:
    """What a trace found.

    Args:
        axes: The labels along the axes of parameters and buffers, shape ``(size of the axis,)``; channels that
            belong together have the same.
        roles: What each axis is to them: :data:`READ`, :data:`WRITTEN` or :data:`ALONG`.
    """

    axes: Mapping[Axis, torch.Tensor]
    roles: Mapping[Axis, str]


def trace_channels(network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> TracedChannels:
    """Run a network once and follow its channels.

    Args:
        network: In eval mode; it is not changed.
        inputs: Batch first.

    Raises:
        OutOfMemory: The network looks at values, and a real run did not fit.
        UsageError: It cannot run on these inputs.
    """
    # A copy without data has a tensor of its own for each name.
    shared = shared_names(network)
    shadow = copy.deepcopy(network).to("meta")
    given = tuple(torch.empty_like(t, device="meta") for t in inputs)
    try:
        trace = _Trace(shadow, given, shared)
        with trace, torch.no_grad():
            outputs = shadow(*given)
    except FOREIGN_CODE_ERRORS:
        # Either the network needs values, or the inputs are wrong: the real run tells.
        trace = _Trace(network, inputs, shared)
        with trace:
            outputs = run("the network", network, inputs)
    return trace.finished(outputs)


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator, and lets its rule mark what it gives."""

    def __init__(self, network: nn.Module, inputs: tuple[torch.Tensor, ...], shared: Collection[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._marking = Marking(network, inputs, shared)

    def finished(self, outputs: Any) -> TracedChannels:
        """The whole result: what the network gives must stay as it is."""
        marking = self._marking
        for tensor in tensors_in(outputs):
            marking.fix(tensor)
        axes = {axis: marking.labels.roots(labels) for axis, labels in marking.axes.items()}
        return TracedChannels(axes, dict(marking.roles))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        named = list(tensors_in(kwargs or {}))
        rule = _rule(func)
        # Tensors by keyword are rare, and none of the rules reads them.
        if rule is not None and not named and rule[1](self._marking, rule[0], args, result):
            return result
        read = [*tensors_in(args), *named]
        for tensor in read:
            self._marking.fix(tensor)
        if any(map(self._marking.knows, read)):
            for tensor in tensors_in(result):
                self._marking.keep(tensor, fixed_mark(tensor.ndim))
        return result


def _rule(operator: Any) -> tuple[str, Rule] | None:
    packet = getattr(operator, "overloadpacket", operator)
    name = str(getattr(packet, "__name__", packet)).removesuffix("_")
    return next(((name, rule) for names, rule in _COMPILED if names.fullmatch(name)), None)
