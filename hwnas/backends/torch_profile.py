"""One call under PyTorch's profiler, as a forest of operators."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(eq=False, slots=True)
class Operator:
    """One operator that ran, with the operators that it called.

    Args:
        name: Such as ``aten::conv2d``.
        time_s: Duration with its own operators in it [s].
        children: In the order of their calls.
        input_shapes: Of an outermost one: the shapes of its arguments, empty for those that are no tensors;
            a list of tensors has the shape of each.
        arguments: Of an outermost one: its arguments, where they are numbers or lists of numbers.
    """

    name: str
    time_s: float
    children: list[Operator] = field(default_factory=list)
    input_shapes: tuple[tuple[int, ...], ...] = ()
    arguments: tuple[Any, ...] = ()


def _shapes(event: Any) -> Iterator[tuple[int, ...]]:
    for given in event.structured_input_shapes():
        if given and isinstance(given[0], Sequence):
            yield from (tuple(shape) for shape in given)
        else:
            yield tuple(given)


#: Namespaces of operators: PyTorch's own, and those that compiled graphs call.
_OPERATORS = ("aten::", "mkldnn::", "mkl::")


#: What the profiler's library reads once, when it first runs. It writes two lines to stderr for every profile,
#: and an error where a GPU's driver is missing, at any level that it knows; this one is above them all.
_LOG_LEVEL, _SILENT = "KINETO_LOG_LEVEL", "99"


@contextmanager
def _silently() -> Iterator[None]:
    """The profiler without its log, unless the user has chosen a level."""
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = _SILENT
    try:
        yield
    finally:
        del os.environ[_LOG_LEVEL]


def profiled_operators(run: Callable[[], None]) -> tuple[list[Operator], int]:
    """The operators that one call of `run` calls itself, in order, and how many ran in all.

    Scripted modules' own frames are left out. The profiler's raw events are read: its list of functions takes
    twice the time and half as much memory again.
    """
    activities = [torch.profiler.ProfilerActivity.CPU]
    with _silently(), torch.profiler.profile(activities=activities, record_shapes=True) as profile:
        run()
    result: Any = profile.profiler.kineto_results
    events = [e for e in result.events() if e.name().startswith(_OPERATORS)]
    # An operator starts before those that it calls; where the clock is too coarse, it ends later.
    events.sort(key=lambda e: (e.start_ns(), -e.end_ns()))
    outermost: list[Operator] = []
    # Thread -> the operators that are running, with their ends [ns].
    running: dict[int, list[tuple[int, Operator]]] = {}
    for event in events:
        stack = running.setdefault(event.start_thread_id(), [])
        end = event.end_ns()
        while stack and stack[-1][0] < end:
            stack.pop()
        operator = Operator(event.name(), event.duration_ns() * 1e-9)
        if stack:
            stack[-1][1].children.append(operator)
        else:
            operator.input_shapes = tuple(_shapes(event))
            operator.arguments = tuple(event.concrete_inputs())
            outermost.append(operator)
        stack.append((end, operator))
    return outermost, len(events)
