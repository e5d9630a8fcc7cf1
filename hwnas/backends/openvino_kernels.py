"""The fused kernels of a compiled OpenVINO network, with what they compute and how long they take in place."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hwnas.core.kernel import Kernel

#: What OpenVINO's graph holds beside kernels.
_NO_KERNELS = ("Const", "Parameter", "Input", "Result", "Output")

#: Attributes of the network's operators that the execution graph leaves out, under the names of the field.
_ATTRIBUTES = {
    "strides": "stride",
    "pads_begin": "padding",
    "dilations": "dilation",
    "kernel": "kernel",
}

#: Profiled inferences: some that do not count, then parts of others, each for about this long [s] and of at
#: most so many.
_WARM, _PARTS = 2, 3
_PART_S, _MOST = 0.1, 16


def compiled_kernels(compiled: Any, model: Any, times: Mapping[str, float]) -> tuple[Kernel, ...]:
    """The fused kernels of the execution graph, in order of execution.

    Args:
        compiled: An ``openvino.CompiledModel``.
        model: The ``openvino.Model`` it was compiled from: the graph tells a kernel's shapes, but neither
            strides nor dilations.
        times: Kernel -> time in place [s].
    """
    operators = {op.get_friendly_name(): op for op in model.get_ops()}
    nodes = compiled.get_runtime_model().get_ordered_ops()
    kernels = []
    constant: set[str] = set()
    for node in nodes:
        info = _node_info(node)
        if _is_constant(node, info, constant):
            constant.add(node.get_friendly_name())
        kernels.append(_kernel(node, info, operators, times, constant))
    ordered = sorted((k for k in kernels if k is not None), key=lambda pair: pair[0])
    return tuple(kernel for _, kernel in ordered)


def times_in_place(request: Any, run: Callable[[], None]) -> dict[str, float]:
    """Mean time of every kernel over some profiled inferences, without the first ones [s].

    What OpenVINO tells is no inference's own time: each kernel's mean over all inferences since the network was
    compiled, the first and coldest among them. It is told again after some warm ones, and after parts of the
    others, and the differences count. A kernel that takes less than a microsecond has no time here.
    Source: ``PerfCount`` and ``Graph::GetPerfData`` in OpenVINO's src/plugins/intel_cpu/src.

    Args:
        request: Of a network compiled with ``PERF_COUNT`` that has not run yet.
        run: One inference of it.
    """
    taken_s = 0.0
    for _ in range(_WARM):
        start = time.perf_counter()
        run()
        taken_s = time.perf_counter() - start
    each = max(1, min(_MOST, round(_PART_S / max(taken_s, 1e-6))))
    counts, told = [_WARM], [_means_us(request)]
    for _ in range(_PARTS):
        for _ in range(each):
            run()
        counts.append(counts[-1] + each)
        told.append(_means_us(request))
    found = {name: _warm_mean_us(counts, [means.get(name, 0) for means in told]) for name in told[-1]}
    return {name: time_us * 1e-6 for name, time_us in found.items() if time_us >= 1.0}


def _means_us(request: Any) -> dict[str, int]:
    """Mean time of every kernel over all inferences so far, rounded down [us]; 0 where it takes none."""
    found: dict[str, int] = {}
    for info in request.profiling_info:
        # What is fused into a kernel is told as well, with no time of its own.
        found[info.node_name] = max(found.get(info.node_name, 0), round(info.real_time.total_seconds() * 1e6))
    return found


def _warm_mean_us(counts: Sequence[int], means_us: Sequence[int]) -> float:
    """Mean time of a kernel after the first inferences [us].

    Args:
        counts: Inferences so far, at each reading; the first one is of the inferences that do not count.
        means_us: What was told then, rounded down.
    """
    # As many sums as there were inferences have one mean; the middle of them is off by half of that at most.
    sums = [count * mean + (count - 1) / 2 for count, mean in zip(counts, means_us, strict=True)]
    each = counts[1] - counts[0]
    parts = [(after - before) / each for before, after in pairwise(sums)]
    whole = (sums[-1] - sums[0]) / (counts[-1] - counts[0])
    middle = statistics.median(parts)
    # A part tells a short kernel no closer than this; beyond it, one of the parts was interrupted.
    return whole if abs(whole - middle) <= counts[-1] / each else middle


def _node_info(node: Any) -> dict[str, Any]:
    return {
        key: plain(value.astype(str) if hasattr(value, "astype") else value)
        for key, value in node.get_rt_info().items()
    }


def _is_constant(node: Any, info: Mapping[str, Any], constant: Collection[str]) -> bool:
    """Whether a node gives the same in every inference, so that it runs when the network is compiled.

    Args:
        node: Of the execution graph.
        info: What it tells.
        constant: Names of those before it that do.
    """
    if info.get("layerType") == "Const":
        return True
    sources = [port.get_source_output().get_node().get_friendly_name() for port in node.inputs()]
    return bool(sources) and all(name in constant for name in sources)


def _kernel(
    node: Any,
    info: Mapping[str, Any],
    operators: Mapping[str, Any],
    times: Mapping[str, float],
    constant: Collection[str],
) -> tuple[int, Kernel] | None:
    if "layerType" not in info or info["layerType"] in _NO_KERNELS:
        return None
    order = int(info.get("execOrder", -1))
    fused = tuple(n for n in info.get("originalLayersNames", "").split(",") if n)
    name = node.get_friendly_name()
    return order, Kernel(
        position=order,
        name=name,
        type=info["layerType"],
        implementation=info.get("primitiveType", ""),
        precision=info.get("runtimePrecision", ""),
        layout=info.get("outputLayouts"),
        fused=fused,
        time_s=times.get(name),
        attributes={
            "input_shapes": [[int(d) for d in port.get_shape()] for port in node.inputs()],
            "output_shapes": [[int(d) for d in port.get_shape()] for port in node.outputs()],
            "output_precisions": info.get("outputPrecisions", ""),
            **({"constant": True} if name in constant else {}),
            **_operator_attributes(operators.get(n) for n in fused),
        },
    )


def _operator_attributes(operators: Any) -> dict[str, Any]:
    """Of the first of the fused operators that has any."""
    for operator in operators:
        if operator is None:
            continue
        given = operator.get_attributes()
        found = {ours: plain(given[theirs]) for theirs, ours in _ATTRIBUTES.items() if theirs in given}
        type_ = operator.get_type_name().removesuffix("BackpropData")
        if type_ == "GroupConvolution":
            found["groups"] = int(operator.input(1).get_shape()[0])
        elif type_ == "Convolution":
            found["groups"] = 1
        if found:
            return found
    return {}


def plain(value: Any) -> Any:
    """A JSON-ready form of an OpenVINO property value."""
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    name = getattr(value, "get_type_name", None)
    return name() if callable(name) else getattr(value, "name", str(value))
