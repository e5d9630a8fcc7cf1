"""The memory traffic of a compiled OpenVINO network: its execution graph with its edges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hwnas.core.dataflow import Buffer, Dataflow, Role, Step

#: Bytes of an element by the name OpenVINO gives a precision.
_ELEMENT_BYTES = {
    "f64": 8, "i64": 8, "u64": 8,
    "f32": 4, "i32": 4, "u32": 4,
    "f16": 2, "bf16": 2, "i16": 2, "u16": 2,
    "i8": 1, "u8": 1, "boolean": 1, "bin": 0.125, "i4": 0.5, "u4": 0.5,
}  # fmt: skip


#: Layer types that are memory of its own kind; every other one is a kernel.
_ROLES: Mapping[str, Role] = {"Const": "weight", "Parameter": "input", "Input": "input"}


#: Nodes that only give a buffer another shape.
_VIEWS = ("reshape", "squeeze", "unsqueeze", "flatten")


def compiled_dataflow(compiled: Any) -> Dataflow:
    """Buffers and steps of one inference of a compiled model.

    Args:
        compiled: An ``openvino.CompiledModel``; it is asked for its execution graph, not run.
    """
    graph = _Graph()
    nodes = compiled.get_runtime_model().get_ordered_ops()
    nodes.sort(key=lambda n: int(_info(n, "execOrder") or -1))
    for node in nodes:
        graph.add(node)
    return graph.finish()


class _Graph:
    def __init__(self) -> None:
        self._buffers: list[Buffer] = []
        self._steps: list[Step] = []
        self._of_port: dict[tuple[str, int], int] = {}

    def add(self, node: Any) -> None:
        kind = _info(node, "layerType") or ""
        if kind in ("Result", "Output"):
            # The network's output is written in place by whoever computes it.
            port = node.input(0).get_source_output()
            index = self._of_port[_key(port)]
            self._buffers[index] = Buffer(self._buffers[index].size, "output")
            return
        if kind.lower() in _VIEWS:
            source = self._of_port[_key(node.input(0).get_source_output())]
            self._of_port.update({_key(port): source for port in node.outputs()})
            return
        read = [self._of_port[_key(port.get_source_output())] for port in node.inputs()]
        role = _ROLES.get(kind, "temporary")
        if read and all(self._buffers[index].role == "weight" for index in read):
            # Of constants alone: it runs when the network is compiled, and never again.
            role = "weight"
        precisions = (_info(node, "outputPrecisions") or "").split(",")
        written = []
        for number, port in enumerate(node.outputs()):
            precision = precisions[min(number, len(precisions) - 1)]
            size = int(math.prod(port.get_shape()) * _element_bytes(precision, port))
            self._of_port[_key(port)] = len(self._buffers)
            written.append(len(self._buffers))
            self._buffers.append(Buffer(size, role))
        if role == "temporary":
            name = node.get_friendly_name()
            self._steps.append(
                Step(
                    name,
                    str(kind).lower(),
                    tuple(read),
                    tuple(written),
                    source=_info(node, "originalLayersNames") or "",
                )
            )

    def finish(self) -> Dataflow:
        return Dataflow(tuple(self._buffers), tuple(self._steps), "arena")


def _key(port: Any) -> tuple[str, int]:
    return port.get_node().get_friendly_name(), port.get_index()


def _info(node: Any, key: str) -> str | None:
    info = node.get_rt_info()
    if key not in info:
        return None
    value = info[key]
    return str(value.astype(str) if hasattr(value, "astype") else value)


def _element_bytes(precision: str, port: Any) -> float:
    name = precision.strip().lower()
    if name in _ELEMENT_BYTES:
        return _ELEMENT_BYTES[name]
    return float(port.get_element_type().size)
