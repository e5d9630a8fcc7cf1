"""The fused kernels of a compiled OpenVINO network, with what they compute and how long they take in place."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
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

#: Profiled inferences: for about this long [s], but at least and at most so many.
_PROFILED_S = 0.3
_FEWEST, _MOST = 3, 50


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
    """Median time of every kernel over some profiled inferences [s].

    OpenVINO counts whole microseconds, and a kernel that takes less as not executed: it has no time here.

    Args:
        request: Of a network compiled with ``PERF_COUNT``.
        run: One inference of it.
    """
    run()
    found: dict[str, list[float]] = defaultdict(list)
    start = time.perf_counter()
    for count in range(1, _MOST + 1):
        run()
        for info in request.profiling_info:
            if info.status == info.Status.EXECUTED:
                found[info.node_name].append(info.real_time.total_seconds())
        if count >= _FEWEST and time.perf_counter() - start > _PROFILED_S:
            break
    return {name: statistics.median(times) for name, times in found.items()}


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
