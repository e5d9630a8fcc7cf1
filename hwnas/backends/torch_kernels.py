"""What PyTorch really ran: its profiler's operators, and oneDNN's primitives behind them."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import torch

from hwnas.backends.torch_profile import Operator, profiled_operators
from hwnas.core.kernel import Kernel

#: Calls under the profiler: a median needs a few. Where one runs more operators than this, it is the only one:
#: each costs seven kilobytes and 20 µs, and a convolution in groups without oneDNN runs ten a group.
_PROFILED = 5
_MOST_OPERATORS = 20_000

#: An operator hands its work on when one kind of child takes at least this share of its time.
_DELEGATES = 0.5

#: Allocation and views: they take time under a profiler, but are not what an operator is for.
_BOOKKEEPING = frozenset(
    f"aten::{name}"
    for name in (
        "empty",
        "empty_like",
        "resize_",
        "as_strided",
        "as_strided_",
        "view",
        "select",
        "slice",
        "narrow",
    )
)

#: What does the work where PyTorch calls oneDNN for a transposed convolution: a function, and no operator.
_ONEDNN_TRANSPOSED = "aten::mkldnn_convolution_transpose"

_ONEDNN_3_FIELDS = (
    "operation",
    "engine",
    "primitive",
    "implementation",
    "prop_kind",
    "memory_descriptors",
    "attributes",
    "auxiliary",
    "problem_desc",
    "exec_time",
)


#: What convolutions take before their numbers.
_TENSORS = ("input", "weight", "bias")
_PLAIN = ("stride", "padding", "dilation", "groups")
_TRANSPOSED = ("stride", "padding", "output_padding", "groups", "dilation")

#: Convolution -> the names of its arguments behind the tensors, in order.
CONVOLUTIONS = {
    **{f"conv{n}d": _PLAIN for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _TRANSPOSED for n in (1, 2, 3)},
}

#: Pooling -> the names of its arguments behind the input, in order.
POOLINGS = {
    **{f"max_pool{n}d": ("kernel", "stride", "padding", "dilation") for n in (1, 2, 3)},
    **{f"avg_pool{n}d": ("kernel", "stride", "padding") for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": ("output_size",) for kind in ("avg", "max") for n in (1, 2, 3)},
}


@dataclass(frozen=True)
class Primitive:
    """One line of oneDNN's verbose output: ``convolution`` by ``brgconv:avx2``, for example."""

    kind: str
    implementation: str
    memory: str
    problem: str


def parse_onednn_verbose(text: str) -> list[Primitive]:
    """The executed primitives in oneDNN's verbose text, in order.

    Fields are named by the ``template:`` line that oneDNN prints once a process; text without it
    is read in the order of oneDNN 3.
    """
    fields = list(_ONEDNN_3_FIELDS)
    primitives = []
    for line in text.splitlines():
        parts = line.strip().split(",")
        if parts[0] != "onednn_verbose":
            continue
        if "primitive" in parts and "info" in parts and any(p.startswith("template:") for p in parts):
            start = next(i for i, p in enumerate(parts) if p.startswith("template:"))
            fields = [parts[start].removeprefix("template:"), *parts[start + 1 :]]
        elif "primitive" in parts and "exec" in parts:
            values = dict(zip(fields, parts[parts.index("exec") :], strict=False))
            primitives.append(
                Primitive(
                    values.get("primitive", ""),
                    values.get("implementation", ""),
                    values.get("memory_descriptors", ""),
                    values.get("problem_desc", ""),
                )
            )
    return primitives


@contextmanager
def _captured_stdout() -> Iterator[IO[str]]:
    """Collect what native code writes to file descriptor 1."""
    sys.stdout.flush()
    with tempfile.TemporaryFile("w+") as sink:
        saved = os.dup(1)
        os.dup2(sink.fileno(), 1)
        try:
            yield sink
        finally:
            os.dup2(saved, 1)
            os.close(saved)


def onednn_primitives(run: Callable[[], None]) -> list[Primitive]:
    """The oneDNN primitives that one call of `run` executes; empty where torch has no oneDNN."""
    if not torch.backends.mkldnn.is_available():
        return []
    with _captured_stdout() as sink:
        # The level must be set and unset on the very switch that oneDNN reads.
        with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
            run()
        sink.seek(0)
        text = sink.read()
    return parse_onednn_verbose(text)


def executed_kernels(run: Callable[[], None]) -> tuple[Kernel, ...]:
    """Profile some calls of `run`: one kernel for each operator that the network calls.

    A kernel's `implementation` is the innermost operator that does the work, for example
    ``aten::_slow_conv2d_forward``, or ``onednn:brgconv:avx2`` where oneDNN ran. Its time is the median over
    five calls, or that of one where very many operators run, with what the profiler takes for the operator's
    own operators in it.
    """
    run()
    primitives = onednn_primitives(run)
    operators, count = profiled_operators(run)
    further = _PROFILED - 1 if count <= _MOST_OPERATORS else 0
    calls = [operators, *(profiled_operators(run)[0] for _ in range(further))]
    # A network that calls other operators from call to call has no time for each.
    same = len({tuple(o.name for o in call) for call in calls}) == 1
    leaves = [_working_operator(o) for o in operators]
    named = _onednn_names(leaves, primitives)
    return tuple(
        kernel_of(
            position,
            operator,
            named.get(position, leaf),
            statistics.median(call[position].time_s for call in calls) if same else None,
        )
        for position, (operator, leaf) in enumerate(zip(operators, leaves, strict=True))
    )


def kernel_of(position: int, operator: Operator, implementation: str, time_s: float | None = None) -> Kernel:
    """The kernel of an operator that the network calls.

    Args:
        position: In the order of calls.
        operator: As the profiler saw it.
        implementation: What does the work.
        time_s: Its time [s], where it was taken.
    """
    return Kernel(
        position=position,
        name=operator.name,
        type=operator.name.removeprefix("aten::"),
        implementation=implementation,
        precision="f32",
        time_s=time_s,
        attributes={
            "input_shapes": [list(s) for s in operator.input_shapes if s],
            **_convolution_attributes(operator),
            **_pooling_attributes(operator),
        },
    )


def _convolution_attributes(operator: Operator) -> dict[str, Any]:
    """Stride, padding, dilation and groups of a convolution, from its arguments; empty for other operators."""
    names = CONVOLUTIONS.get(operator.name.removeprefix("aten::"), ())
    given = operator.arguments[len(_TENSORS) :]
    if not names or len(given) < len(names):
        return {}
    found = dict(zip(names, given, strict=False))
    # The profiler tells numbers and no text; the other word, "valid", is a padding of 0.
    return found if found["padding"] is not None else {**found, "padding": "same"}


def _pooling_attributes(operator: Operator) -> dict[str, Any]:
    """Window, stride, padding and dilation of a pooling, or the size of what it makes; empty for others."""
    names = POOLINGS.get(operator.name.removeprefix("aten::"), ())
    found = {n: v for n, v in zip(names, operator.arguments[1:], strict=False) if v is not None}
    if "kernel" in found and not found.get("stride"):
        # A pooling without a stride moves on by its window.
        found["stride"] = found["kernel"]
    return found


def _working_operator(operator: Operator) -> str:
    """Follow an operator down to the one that does its work.

    Convolutions hand their work on from one to the next, by name: on a busy host times would mislead.
    """
    first, convolution = operator, None
    while inner := [c for c in operator.children if "conv" in c.name]:
        convolution = operator = max(inner, key=lambda child: child.time_s)
    if convolution is not None:
        direct = convolution.name == "aten::_convolution" and first.name.startswith("aten::conv_transpose")
        return _ONEDNN_TRANSPOSED if direct else convolution.name
    while True:
        time_by_name: dict[str, float] = defaultdict(float)
        longest: dict[str, Operator] = {}
        for child in operator.children:
            time_by_name[child.name] += child.time_s
            best = longest.get(child.name)
            if best is None or child.time_s > best.time_s:
                longest[child.name] = child
        candidates = {n: t for n, t in time_by_name.items() if n not in _BOOKKEEPING}
        if not candidates:
            return operator.name
        name = max(candidates, key=candidates.__getitem__)
        if candidates[name] < _DELEGATES * operator.time_s:
            return operator.name
        operator = longest[name]


def _onednn_names(leaves: list[str], primitives: list[Primitive]) -> dict[int, str]:
    """Position -> oneDNN implementation, as far as operators and primitives can be matched.

    Convolutions and matrix products run in the order in which they are called. Where the
    numbers differ, naming one by one would be a guess, and only a common name is given.
    """
    named: dict[int, str] = {}
    convolutions = ("convolution", "deconvolution")
    for kinds, marker in ((convolutions, "convolution"), (("inner_product", "matmul"), "linear")):
        places = [i for i, leaf in enumerate(leaves) if "mkldnn" in leaf and marker in leaf]
        found = [p.implementation for p in primitives if p.kind in kinds]
        if len(places) == len(found):
            named.update({i: f"onednn:{name}" for i, name in zip(places, found, strict=True)})
        elif len(set(found)) == 1:
            named.update(dict.fromkeys(places, f"onednn:{found[0]}"))
    return named
