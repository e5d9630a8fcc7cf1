"""What an operator is for, whatever a runtime calls it: what misses are attributed to."""

from __future__ import annotations

from collections import defaultdict

from hwnas.cache_misses.model import ModelledMisses

CONVOLUTION = "convolution"
OTHER = "other"

#: Kind -> parts of the names that runtimes give such operators; the first kind that fits counts.
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("weight reorder", ("weight reorder",)),
    (
        "layout reorder",
        (
            "layout reorder",
            "reorder",
            "im2col",
            "col2im",
            "convert",
            "contiguous",
            "transpose",
            "permute",
            "clone",
        ),
    ),
    (CONVOLUTION, ("conv",)),
    ("matrix product", ("mm", "matmul", "linear", "fullyconnected")),
    ("batch normalisation", ("batch_norm", "batchnorm", "normalize", "layer_norm", "mvn")),
    ("pooling", ("pool", "mean", "reduce")),
    (
        "activation",
        (
            "relu",
            "hardtanh",
            "clamp",
            "silu",
            "swish",
            "gelu",
            "sigmoid",
            "hardswish",
            "tanh",
            "elu",
            "softmax",
        ),
    ),
    ("addition", ("add", "mul", "sub", "div", "eltwise", "subgraph")),
)

#: Every kind, in the order in which figures show them.
OPERATOR_KINDS = (CONVOLUTION, *(kind for kind, _ in _KINDS if kind != CONVOLUTION), OTHER)


def operator_kind(type_: str) -> str:
    """The kind of an operator type such as ``native_batch_norm`` or ``FullyConnected``."""
    name = type_.lower()
    return next((kind for kind, parts in _KINDS if any(part in name for part in parts)), OTHER)


def misses_by_operator(found: ModelledMisses) -> dict[str, float]:
    """Kind of operator -> its misses in one inference; kinds without any are left out."""
    total: dict[str, float] = defaultdict(float)
    for one in found.steps:
        total[operator_kind(one.step.type)] += one.misses
    return {kind: total[kind] for kind in OPERATOR_KINDS if total[kind]}
