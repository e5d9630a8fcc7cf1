"""Multiply-adds and parameters of any torch module."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry, sdpa_flop_count

from hwnas.workloads.dry_run import observe

_ATEN = torch.ops.aten

#: Operators without multiply-adds by the usual convention, in torch's `aten` namespace. Views
#: and pointwise operators are recognised by what torch knows of them.
_WITHOUT_MACS = re.compile(
    r"""
    # creation
    (new_)? (empty | full | ones | zeros) (_like | _strided)? | arange | eye | linspace | scalar_tensor
    # copies and filling
    | clone | copy | fill | lift_fresh | resize | set | zero | _to_copy | _reshape_copy | _unsafe_view
    | _local_scalar_dense | as_strided | masked_fill | tril | triu
    # moving values around
    | cat | stack | flip | roll | repeat | embedding | gather | scatter | (_unsafe_)? index
    | index_(fill | put | select) | (select | slice)_scatter | unsafe_split (_with_sizes)? | topk | sort
    | (constant_pad_n | (reflection | replication)_pad [123]) d | im2col | col2im
    | (native_)? channel_shuffle | pixel_(un)? shuffle
    # pooling
    | (_? adaptive_)? (avg | max)_pool [123]d (_with_indices)?
    # normalising
    | (_? native_)? batch_norm \w* | native_(group | layer)_norm | linalg_vector_norm
    | (_log | _safe)? _softmax
    # reducing
    | arg(max | min) | a?(max | min) (_dim)? | all | any | cumsum | mean | prod | (std | var) (_mean)? | sum
    # activations that torch does not tag as pointwise
    | celu | elu | selu | prelu | hardswish | hardsigmoid | hardtanh | (native_)? dropout
    """,
    re.VERBOSE,
)


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    flops: int = sdpa_flop_count(query, key, value)  # type: ignore[no-untyped-call]
    return flops


#: torch counts the attention kernels of GPUs only.
_EXTRA_FORMULAS = {_ATEN._scaled_dot_product_flash_attention_for_cpu: _attention_flops}


@dataclass(frozen=True)
class Counts:
    """What a network costs, whatever runs it.

    Args:
        macs: Multiply-adds of convolutions and matrix products in one inference of the whole
            batch; FLOPs are twice as many.
        parameters: Trainable or not, shared ones once.
        uncounted: Operators whose multiply-adds are not in `macs`, with their calls: `macs` is too low by them.
    """

    macs: int
    parameters: int
    uncounted: Mapping[str, int]


class _Uncounted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects operators that nobody has a formula for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not _is_known(func):
            self.calls[str(getattr(func, "overloadpacket", func))] += 1
        return func(*args, **(kwargs or {}))


def _is_known(operator: Any) -> bool:
    if not isinstance(operator, torch._ops.OpOverload):
        return False
    packet = operator.overloadpacket
    if packet in flop_registry or packet in _EXTRA_FORMULAS or operator.is_view:
        return True
    # Creation, queries and profiling marks come from these two namespaces.
    if operator.namespace in ("prim", "profiler"):
        return True
    if torch.Tag.pointwise in operator.tags:
        return True
    return (
        operator.namespace == "aten" and _WITHOUT_MACS.fullmatch(packet.__name__.removesuffix("_")) is not None
    )


def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = "the model") -> Counts:
    """Count multiply-adds and parameters by torch's own flop counter.

    Runs on the meta device, so it takes neither the time nor the memory of an inference; a
    module that looks at values runs once for real.

    Args:
        module: In eval mode; it is not changed.
        inputs: On the module's device, batch first.
        name: The model as the user knows it, for messages.

    Raises:
        OutOfMemory: A real run did not fit.
        UsageError: The module cannot run on these inputs.
    """

    def counted(forward: Callable[[], Any], _: tuple[torch.Tensor, ...]) -> tuple[int, Counter[str]]:
        uncounted = _Uncounted()
        flops = FlopCounterMode(display=False, custom_mapping=_EXTRA_FORMULAS)
        # The flop counter comes second and so sees operators first: it takes composite ones apart.
        with uncounted, flops:
            forward()
        return flops.get_total_flops(), uncounted.calls

    total, calls = observe(name, module, inputs, counted)
    return Counts(
        macs=total // 2,
        parameters=sum(p.numel() for p in module.parameters()),
        uncounted=dict(sorted(calls.items())),
    )
