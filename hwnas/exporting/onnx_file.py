"""Networks as ONNX files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hwnas.core.errors import CellError, MissingDependency, UsageError
from hwnas.core.foreign_code import in_one_line

if TYPE_CHECKING:
    import onnx

#: The version that PyTorch's exporter writes by itself; others it would have to convert to.
OPSET = 18
INPUT = "images"
OUTPUT = "scores"


def write_onnx(
    exported: torch.export.ExportedProgram, inputs: tuple[torch.Tensor, ...], outputs: int, path: Path
) -> None:
    """Write a network as ONNX, with static shapes and its weights inside.

    Args:
        exported: Of a network with one input.
        inputs: Those that it was exported with.
        outputs: How many the network has.
        path: Of the file.

    Raises:
        CellError: The network holds an operator that ONNX cannot express.
        MissingDependency: onnx or onnxscript is not installed.
        UsageError: The file cannot be written.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import onnx
            import onnxscript  # noqa: F401 - PyTorch's exporter would fail in words of its own
    except ImportError as error:
        raise MissingDependency(f"ONNX files need {error.name}", "pip install onnx onnxscript") from error
    names = [OUTPUT] if outputs == 1 else [f"{OUTPUT}_{number}" for number in range(outputs)]
    try:
        with warnings.catch_warnings():
            # Of torch about itself.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                exported,
                inputs,
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=names,
                verbose=False,
            )
            if program is None:
                raise CellError("PyTorch gave no ONNX program")
            model = program.model_proto
        _forget_sources(model)
        onnx.checker.check_model(model)
    except CellError:
        raise
    except Exception as error:  # the exporter raises many types, none of them public
        raise CellError(
            f"the network cannot be written as ONNX: {in_one_line(error)}",
            "Build it of operators that ONNX has",
        ) from error
    try:
        onnx.save(model, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "Give another folder") from error


def _forget_sources(model: onnx.ModelProto) -> None:
    """The exporter notes lines of source code, and where they lie on this machine."""
    del model.metadata_props[:]
    _forget_in_graph(model.graph)
    for function in model.functions:
        _forget_in_nodes(function.node)


def _forget_in_graph(graph: Any) -> None:
    del graph.metadata_props[:]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del value.metadata_props[:]
    _forget_in_nodes(graph.node)


def _forget_in_nodes(nodes: Any) -> None:
    for node in nodes:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _forget_in_graph(attribute.g)
