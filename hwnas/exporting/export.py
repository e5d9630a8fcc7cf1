"""Exporting a network: every file is written, run, and compared with the network."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwnas import __version__
from hwnas.backends.openvino_ir import write_ir
from hwnas.backends.openvino_session import brief, exported_program, ov
from hwnas.backends.protocol import Program
from hwnas.core.errors import CellError, UsageError
from hwnas.core.workload import Workload
from hwnas.exporting.checking import Check, Reference
from hwnas.exporting.declaration import SPACE_FILE, Declaration
from hwnas.exporting.file_names import ARCHITECTURE, IR, ONNX, PYTHON, WEIGHTS
from hwnas.exporting.onnx_file import INPUT, write_onnx
from hwnas.exporting.place import Place
from hwnas.exporting.python_file import python_text
from hwnas.netadapt.resizing import resize
from hwnas.training.weights import put, read_tensors, write_tensors
from hwnas.workloads.build import new_module
from hwnas.workloads.counting import count
from hwnas.workloads.randomness import example_input

#: In what is told beside the weights: their tensors may be smaller than the network declares.
PRUNED = "pruned"


@dataclass(frozen=True)
class Export:
    """What was written.

    Args:
        folder: Holds all of it.
        record: What ``architecture.json`` holds.
        checks: File -> how far its outputs are from the network's.
        moved: Where something went that had the folder's name; None where nothing had.
    """

    folder: Path
    record: Mapping[str, Any]
    checks: Mapping[str, Check]
    moved: Path | None


def trained_network(workload: Workload, weights: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """A network with the weights of a file, and what the file tells of them.

    Args:
        workload: Of any kind but ``file`` and ``module``.
        weights: A safetensors file with the names of the network's state dictionary.

    Raises:
        UnknownName: No such pattern, network or space.
        UsageError: The network cannot be built, or the file cannot be read or is of another network.
    """
    path = Path(weights)
    tensors, told = read_tensors(path)
    network = new_module(workload)
    if told.get(PRUNED):
        resize(network, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    put(network, tensors, path)
    return network.eval(), told


def export_network(
    workload: Workload,
    network: nn.Module,
    out: str | Path,
    *,
    images: torch.Tensor | None = None,
    force: bool = False,
    told: Mapping[str, Any] | None = None,
    step: Callable[[str], None] = lambda text: None,
) -> Export:
    """Write a network to a folder, which is complete or not there.

    Args:
        workload: From which the network is built again; see :class:`Declaration`.
        network: With its trained weights; it may have been pruned since it was built. Not changed.
        out: The folder. An earlier export is replaced, with a new one as a whole.
        images: On which the files must agree with the network, of the workload's shape; None for random ones.
        force: Move aside anything else that is at `out`.
        told: What JSON can hold, such as the network's accuracy; it goes into ``architecture.json``.
        step: Told of what is being done.

    Raises:
        AgreementError: A written file does not run, or computes something else than the network.
        CellError: The network cannot be written in a format.
        MissingDependency: A package for a format is not installed.
        UnknownName: No such pattern, network or space.
        UsageError: The workload does not declare the network, or the folder cannot be written.
    """
    place = Place(Path(out), force)
    declaration = Declaration.of(workload, network)
    inputs = (_images(workload, images),)
    # Training may have left it in another memory layout or on another device.
    own = copy.deepcopy(network).to("cpu", memory_format=torch.contiguous_format).float().eval()  # type: ignore[call-overload]
    with place.filling() as folder:
        try:
            record, checks = _write(declaration, own, inputs, folder, dict(told or {}), step)
        except OSError as error:
            # Such as a disk that is full.
            raise UsageError(
                f"cannot write {place.folder}: {error.strerror or error}", "Give another folder, or make room"
            ) from error
    return Export(place.folder, record, checks, place.moved)


def _write(
    declaration: Declaration,
    network: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    folder: Path,
    told: dict[str, Any],
    step: Callable[[str], None],
) -> tuple[dict[str, Any], dict[str, Check]]:
    step("computing the reference")
    reference = Reference(network, inputs)
    record = _record(declaration, network, inputs, reference, told)
    step(f"writing {WEIGHTS} and {PYTHON}")
    write_tensors(
        folder / WEIGHTS,
        network.state_dict(),
        {**told, "model": declaration.model, PRUNED: bool(declaration.shapes)},
    )
    if declaration.space_file is not None:
        shutil.copyfile(declaration.space_file, folder / SPACE_FILE)
    text = python_text(declaration.model, tuple(inputs[0].shape), PYTHON)
    (folder / PYTHON).write_text(text, encoding="utf-8")
    # The Python file reads it; what the checks find is added in the end.
    _write_json(folder / ARCHITECTURE, record)
    checks = {PYTHON: reference.check_python_file(folder / PYTHON)}
    step("tracing the network")
    exported = _exported(network, inputs)
    step(f"writing {ONNX}")
    write_onnx(exported, inputs, len(reference.output_shapes), folder / ONNX)
    checks[ONNX] = reference.check_model_file(folder / ONNX)
    step(f"writing {IR}")
    write_ir(exported, inputs, folder / IR)
    checks[IR] = reference.check_model_file(folder / IR)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    record["files"] = {
        path.name: _facts(path, checks.get(path.name))
        for path in sorted(folder.iterdir())
        if path.name != ARCHITECTURE
    }
    _write_json(folder / ARCHITECTURE, record)
    return record, checks


def _images(workload: Workload, images: torch.Tensor | None) -> torch.Tensor:
    if images is None:
        return example_input(workload)
    if tuple(images.shape) != workload.input_shape or images.dtype != torch.float32:
        given, fits = ("x".join(map(str, shape)) for shape in (images.shape, workload.input_shape))
        raise UsageError(f"the images are {given} {images.dtype}", f"Give float32 of {fits}")
    return images.detach().cpu().contiguous()


def _record(
    declaration: Declaration,
    network: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    reference: Reference,
    told: dict[str, Any],
) -> dict[str, Any]:
    counts = count(network, inputs, declaration.model)
    return {
        **declaration.record(),
        "input": {"name": INPUT, "shape": list(inputs[0].shape), "type": "float32"},
        "output_shapes": [[len(inputs[0]), *shape[1:]] for shape in reference.output_shapes],
        "parameters": counts.parameters,
        "macs": counts.macs,
        "told": told,
        "versions": {
            "hwnas": __version__,
            "torch": str(torch.__version__),
            "openvino": str(ov.__version__).partition("-")[0],
        },
    }


def _exported(network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.export.ExportedProgram:
    try:
        exported: torch.export.ExportedProgram = exported_program(Program(inputs, network))
    except Exception as error:  # torch.export raises many types, none of them public
        raise CellError(
            f"PyTorch cannot export the network: {brief(error)}",
            "Write it without choices that depend on values",
        ) from error
    return exported


def _facts(path: Path, check: Check | None) -> dict[str, Any]:
    content = path.read_bytes()
    found: dict[str, Any] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if check is not None:
        found["check"] = asdict(check)
    return found


def _write_json(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
