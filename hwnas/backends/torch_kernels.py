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

from hwnas.core.kernel import Kernel

#: Calls under the profiler: a median needs a few.
_PROFILED = 5

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
    the calls, with what the profiler takes for the operator's own operators in it.
    """
    run()
    primitives = onednn_primitives(run)
    events = _outermost_operators(run, _PROFILED)
    count, rest = divmod(len(events), _PROFILED)
    operators = events[:count]
    # A network that calls other operators from call to call has no time for each.
    same = not rest and all(e.name == operators[n % count].name for n, e in enumerate(events))
    if not same:
        operators = _outermost_operators(run, 1)
    leaves = [_working_operator(e) for e in operators]
    named = _onednn_names(leaves, primitives)
    return tuple(
        Kernel(
            position=position,
            name=event.name,
            type=event.name.removeprefix("aten::"),
            implementation=named.get(position, leaf),
            precision="f32",
            time_s=_median_s(events[position::count]) if same else None,
            attributes={
                "input_shapes": [list(s) for s in event.input_shapes if s],
                **_convolution_attributes(event),
            },
        )
        for position, (event, leaf) in enumerate(zip(operators, leaves, strict=True))
    )


def _outermost_operators(run: Callable[[], None], calls: int) -> list[Any]:
    """The operators that the network itself calls, in order."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True
    ) as profile:
        for _ in range(calls):
            run()
    return [e for e in profile.events() if _is_outermost(e)]


def _median_s(events: list[Any]) -> float:
    return float(statistics.median(e.cpu_time_total for e in events)) * 1e-6


def _convolution_attributes(event: Any) -> dict[str, Any]:
    """Stride, padding, dilation and groups of a convolution, from its arguments; empty for other operators."""
    arguments = list(getattr(event, "concrete_inputs", None) or ())
    if event.name != "aten::conv2d" or len(arguments) < 7:
        return {}
    stride, padding, dilation, groups = arguments[3:7]
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def _is_outermost(event: Any) -> bool:
    """Whether no other operator called this one; scripted modules add frames that are no operators."""
    if not event.name.startswith("aten::"):
        return False
    parent = event.cpu_parent
    while parent is not None:
        if parent.name.startswith("aten::"):
            return False
        parent = parent.cpu_parent
    return True


def _working_operator(event: Any) -> str:
    """Follow an operator down to the one that does its work.

    Convolutions hand their work on from one to the next, by name: on a busy host times would mislead.
    """
    convolution = None
    while inner := [c for c in event.cpu_children if c.name.startswith("aten::") and "conv" in c.name]:
        convolution = event = max(inner, key=lambda child: float(child.cpu_time_total))
    if convolution is not None:
        return str(convolution.name)
    while True:
        time_by_name: dict[str, float] = defaultdict(float)
        longest: dict[str, Any] = {}
        for child in event.cpu_children:
            time_by_name[child.name] += child.cpu_time_total
            best = longest.get(child.name)
            if best is None or child.cpu_time_total > best.cpu_time_total:
                longest[child.name] = child
        candidates = {n: t for n, t in time_by_name.items() if n.startswith("aten::") and n not in _BOOKKEEPING}
        if not candidates:
            return str(event.name)
        name = max(candidates, key=candidates.__getitem__)
        if candidates[name] < _DELEGATES * event.cpu_time_total:
            return str(event.name)
        event = longest[name]


def _onednn_names(leaves: list[str], primitives: list[Primitive]) -> dict[int, str]:
    """Position -> oneDNN implementation, as far as operators and primitives can be matched.

    Convolutions and matrix products run in the order in which they are called. Where the
    numbers differ, naming one by one would be a guess, and only a common name is given.
    """
    named: dict[int, str] = {}
    for kinds, marker in ((("convolution",), "convolution"), (("inner_product", "matmul"), "linear")):
        places = [i for i, leaf in enumerate(leaves) if "mkldnn" in leaf and marker in leaf]
        found = [p.implementation for p in primitives if p.kind in kinds]
        if len(places) == len(found):
            named.update({i: f"onednn:{name}" for i, name in zip(places, found, strict=True)})
        elif len(set(found)) == 1:
            named.update(dict.fromkeys(places, f"onednn:{found[0]}"))
    return named
