"""What an operator is for, whatever a runtime calls it: what misses are attributed to."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache

from hwnas.cache_misses.model import ModelledMisses

CONVOLUTION = "convolution"
OTHER = "other"

#: Kind -> names that PyTorch and OpenVINO give such operators, in lower case, without ``native_``, ``mkldnn_``
#: and the underscores of in-place variants. The first kind that fits the whole name counts.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(names))
    for kind, names in (
        (CONVOLUTION, r"convolution\w*|deconvolution|groupconvolution\w*|conv(_transpose)?[123]d"),
        # What a runtime adds on its own account ...
        ("weight reorder", r"weight reorder"),
        ("layout reorder", r"(layout )?reorder|im2col|col2im|convert|to_dense|to_mkldnn"),
        # ... and what the network asks for.
        (
            "data movement",
            r"clone|copy|contiguous|transpose|permute|cat|concat\w*|stack|(variadic)?split\w*|chunk|shufflechannels"
            r"|pixel_(un)?shuffle|depthtospace|spacetodepth|(constant_)?pad\w*|(strided)?slice|gather\w*|roll",
        ),
        ("matrix product", r"(addmm|addmv|baddbmm|bmm|mm|mv|matmul|linear|fullyconnected|gemm|einsum)"),
        ("normalisation", r"(batch|layer|group|instance|rms)_?norm(ali[sz]ation)?\w*|mvn|normalizel2|lrn"),
        ("pooling", r"\w*pool(ing|[123]d)?(_with_indices)?|mean|reduce\w*|amax|amin|sum"),
        (
            "activation",
            r"(leaky_?r|pr|r|c|s|g)?elu|relu6|hard_?(tanh|swish|sigmoid)|clamp|silu|swish|sigmoid|tanh|mish"
            r"|soft(plus|sign)|hsigmoid|hswish|(log_?)?softmax",
        ),
        ("elementwise", r"add|r?sub(tract)?|mul(tiply)?|div(ide)?|pow(er)?|eltwise|subgraph|maximum|minimum"),
    )
)

#: Every kind, in the order in which figures show them.
OPERATOR_KINDS = (*(kind for kind, _ in _KINDS), OTHER)


@lru_cache(4096)  # the same few types, a hundred thousand times a report
def operator_kind(type_: str) -> str:
    """The kind of an operator type such as ``native_batch_norm`` or ``FullyConnected``."""
    name = type_.lower().strip("_").removeprefix("mkldnn_").removeprefix("native_")
    return next((kind for kind, names in _KINDS if names.fullmatch(name)), OTHER)


def misses_by_operator(found: ModelledMisses) -> dict[str, float]:
    """Kind of operator -> its misses in one inference; kinds without any are left out."""
    total: dict[str, float] = defaultdict(float)
    for one in found.steps:
        total[operator_kind(one.step.type)] += one.misses
    return {kind: total[kind] for kind in OPERATOR_KINDS if total[kind]}
