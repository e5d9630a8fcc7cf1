"""Every file of an export computes what the network does, or there is no export."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from hwnas.backends.openvino_runtime import import_openvino
from hwnas.core.errors import AgreementError, CellError, UsageError
from hwnas.core.workload import Workload
from hwnas.exporting import export as exporting
from hwnas.exporting.export import Export, export_network, trained_network
from hwnas.exporting.onnx_file import write_onnx
from hwnas.exporting.rebuilding import rebuilt
from hwnas.netadapt.structure import Structure, pruned
from hwnas.training.weights import read_tensors, write_tensors
from hwnas.workloads.build import build
from hwnas.workloads.models import parse_model

FILES = {
    "architecture.json",
    "model.bin",
    "model.onnx",
    "model.xml",
    "network.py",
    "space.yaml",
    "weights.safetensors",
}


def scores(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(images)  # type: ignore[no-any-return]


def test_every_file_agrees_with_the_network(exported: Export, network: nn.Module, images: torch.Tensor) -> None:
    folder, expected = exported.folder, scores(network, images)
    assert {path.name for path in folder.iterdir()} == FILES
    assert list(folder.parent.iterdir()) == [folder]
    assert set(exported.checks) == {"model.onnx", "model.xml", "network.py"}
    assert all(check.error <= check.tolerance for check in exported.checks.values())
    # Not by our own words: the runtime's own reader.
    core = import_openvino().Core()
    for name in ("model.onnx", "model.xml"):
        compiled = core.compile_model(
            core.read_model(folder / name), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
        (answer,) = compiled(images.numpy()).values()
        np.testing.assert_allclose(answer, expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(scores(rebuilt(folder), images), expected)


def test_the_record_tells_what_was_written(exported: Export, network: nn.Module) -> None:
    record = json.loads((exported.folder / "architecture.json").read_text())
    assert record == exported.record
    assert record["model"].startswith("space:")
    assert record["architecture"]["stage1.width"] == 16
    assert record["input"] == {"name": "images", "shape": [1, 1, 8, 8], "type": "float32"}
    assert record["output_shapes"] == [[1, 10]]
    assert record["parameters"] == sum(p.numel() for p in network.parameters())
    assert record["macs"] > 0
    assert record["told"] == {"accuracy": 0.9}
    assert set(record["files"]) == FILES - {"architecture.json"}
    assert record["files"]["model.xml"]["check"]["runtime"] == "openvino:cpu:fp32"
    for name, told in record["files"].items():
        content = (exported.folder / name).read_bytes()
        assert (told["bytes"], told["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    model = onnx.load(exported.folder / "model.onnx")
    assert [used.version for used in model.opset_import if not used.domain] == [18]
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["images", "scores"]
    # Neither source code nor paths of this machine.
    assert b"hwnas" not in model.SerializeToString()
    assert b"site-packages" not in model.SerializeToString()


def test_weights_of_the_ir_are_single_precision(exported: Export, network: nn.Module) -> None:
    assert 'element_type="f16"' not in (exported.folder / "model.xml").read_text()
    values = sum(t.numel() for n, t in network.state_dict().items() if n.endswith(".weight") and t.ndim > 1)
    assert (exported.folder / "model.bin").stat().st_size >= 4 * values


def test_the_python_file_runs_anywhere_without_the_space(
    exported: Export, workload: Workload, tmp_path: Path
) -> None:
    moved = shutil.copytree(exported.folder, tmp_path / "elsewhere")
    shutil.copyfile(workload.name, kept := tmp_path / "kept.yaml")
    Path(workload.name).unlink()
    try:
        ran = subprocess.run(
            [sys.executable, moved / "network.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    finally:
        shutil.copyfile(kept, workload.name)
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "(1, 10)", "")


def test_a_pruned_network_is_built_again(
    workload: Workload, network: nn.Module, images: torch.Tensor, tmp_path: Path
) -> None:
    structure = Structure.of(network, (images,))
    smaller = pruned(network, structure, [c for g in structure.groups for c in g.channels[::2]]).eval()
    steps: list[str] = []
    found = export_network(workload, smaller, tmp_path / "out", step=steps.append)
    assert "writing model.onnx" in steps
    assert found.record["parameters"] < 0.6 * sum(p.numel() for p in network.parameters())
    assert found.record["pruned_shapes"]
    torch.testing.assert_close(scores(rebuilt(found.folder), images), scores(smaller, images))
    # Its weights are enough to export it again.
    again, told = trained_network(workload, found.folder / "weights.safetensors")
    torch.testing.assert_close(scores(again, images), scores(smaller, images))
    assert told["pruned"]


def test_batches_and_other_kinds(tmp_path: Path) -> None:
    workload = parse_model("zoo:squeezenet1_1", input_shape=(2, 3, 48, 48))
    found = export_network(workload, build(workload).module, tmp_path / "out")
    assert found.record["output_shapes"] == [[2, 1000]]
    assert "space.yaml" not in found.record["files"]
    assert isinstance(rebuilt(found.folder), nn.Module)


@pytest.mark.parametrize("writer", ["write_onnx", "write_ir"])
def test_a_file_that_computes_something_else_is_no_export(
    workload: Workload, network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    real = getattr(exporting, writer)
    other = build(replace(workload, seed=5)).module

    def wrong(exported: object, inputs: tuple[torch.Tensor, ...], *rest: object) -> None:
        real(torch.export.export(other, inputs, strict=False), inputs, *rest)

    monkeypatch.setattr(exporting, writer, wrong)
    with pytest.raises(AgreementError, match="computes something else: outputs differ"):
        export_network(workload, network, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


class Unexportable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if x.sum() > 0 else self.layer(-x)


def unexportable() -> nn.Module:
    return Unexportable()


def test_a_network_that_cannot_be_traced_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "own_network", sys.modules[__name__])
    workload = parse_model("own_network:unexportable", input_shape=(1, 1, 4, 4))
    with pytest.raises(CellError, match="PyTorch cannot export the network") as caught:
        export_network(workload, unexportable(), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_way_out_of_what_onnx_cannot_express_is_one_that_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no decomposition of aten.mine")

    monkeypatch.setattr(torch.onnx, "export", fail)
    images = (torch.zeros(1, 4),)
    program = torch.export.export(nn.ReLU(), images, strict=False)
    with pytest.raises(CellError, match=r"as ONNX: RuntimeError: no decomposition of aten\.mine") as caught:
        write_onnx(program, images, 1, tmp_path / "model.onnx")
    # No option of the command leaves ONNX out.
    assert "Leave" not in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_workload_must_declare_the_network(workload: Workload, network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a tensor"):
        export_network(workload, nn.Conv2d(1, 2, 3), tmp_path / "out")
    with pytest.raises(UsageError, match="cannot be built again"):
        export_network(Workload("module", "Mine", (1, 1, 8, 8)), network, tmp_path / "out")
    with pytest.raises(UsageError, match="the images are 1x1x9x9"):
        export_network(workload, network, tmp_path / "out", images=torch.zeros(1, 1, 9, 9))
    assert list(tmp_path.iterdir()) == []


def test_damaged_exports_are_refused(exported: Export, tmp_path: Path) -> None:
    folder = shutil.copytree(exported.folder, tmp_path / "out")
    tensors, told = read_tensors(folder / "weights.safetensors")
    name = next(iter(tensors))
    write_tensors(folder / "weights.safetensors", {**tensors, name: tensors[name][:1]}, told)
    with pytest.raises(UsageError, match=name):
        rebuilt(folder)
    (folder / "space.yaml").write_text((folder / "space.yaml").read_text().replace("[8, 16]", "[16, 24]"))
    with pytest.raises(UsageError, match="not defined as it was"):
        rebuilt(folder)
    (folder / "architecture.json").write_text("{}")
    with pytest.raises(UsageError, match="schema"):
        rebuilt(folder)


def test_a_full_disk_is_one_line(
    workload: Workload, network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "_write_json", full)
    with pytest.raises(UsageError, match=r"cannot write .*out: No space left on device"):
        export_network(workload, network, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
