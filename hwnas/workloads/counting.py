"""Multiply-adds and parameters of any torch module."""

from __future__ import annotations

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

#: Operators without multiply-adds by the usual convention: they move, create, compare, pool,
#: normalise or reduce. Views and pointwise operators are recognised by what torch knows of them.
_WITHOUT_MACS = frozenset(
    """
    alias as_strided cat clone constant_pad_nd copy detach embedding empty empty_like empty_strided
    expand eye fill flip full full_like gather index index_fill index_put index_select lift_fresh linspace arange
    masked_fill native_channel_shuffle channel_shuffle new_empty new_empty_strided new_full new_ones new_zeros
    ones ones_like pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d repeat replication_pad2d
    resize roll scalar_tensor _unsafe_index unsafe_split unsafe_split_with_sizes scatter select_scatter set slice_scatter stack topk sort tril triu
    zero zeros zeros_like _reshape_copy _to_copy _unsafe_view _local_scalar_dense
    adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d avg_pool1d avg_pool2d avg_pool3d
    max_pool2d max_pool2d_with_indices max_pool3d_with_indices im2col col2im
    batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    native_group_norm native_layer_norm linalg_vector_norm
    argmax argmin cumsum max min _log_softmax _safe_softmax _softmax
    hardswish hardsigmoid hardtanh celu elu selu prelu dropout native_dropout
    """.split()
)


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    flops: int = sdpa_flop_count(query, key, value)
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


class _Uncounted(TorchDispatchMode):
    """Collects operators that nobody has a formula for."""

    def __init__(self) -> None:
        super().__init__()
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
    tags = set(operator.tags)
    if tags & {torch.Tag.pointwise, torch.Tag.reduction}:
        return True
    return operator.namespace == "aten" and packet.__name__.removesuffix("_") in _WITHOUT_MACS


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
