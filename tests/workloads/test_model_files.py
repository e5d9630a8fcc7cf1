"""ONNX and OpenVINO IR files; here only their bytes matter."""

import hashlib

import pytest

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.build import build, load_program
from hwnas.workloads.cost import workload_cost
from hwnas.workloads.files import model_file
from hwnas.workloads.models import parse_model

SHAPE = (2, 3, 8, 8)


@pytest.fixture
def onnx(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"the network")
    return path


@pytest.fixture
def ir(tmp_path):
    path = tmp_path / "net.xml"
    path.write_bytes(b"<net/>")
    path.with_suffix(".bin").write_bytes(b"weights")
    return path


def test_a_file_is_declared_with_its_digest(onnx) -> None:
    workload = parse_model(str(onnx), input_shape=SHAPE)
    assert workload.kind == "file"
    assert workload.params["sha256"] == hashlib.sha256(b"the network").hexdigest()
    assert model_file(workload) == onnx
    program = load_program(workload)
    assert (program.path, program.module) == (onnx, None)
    assert program.inputs[0].shape == SHAPE


def test_both_parts_of_an_ir_are_covered(ir) -> None:
    workload = parse_model(str(ir), input_shape=SHAPE)
    assert model_file(workload) == ir
    ir.with_suffix(".bin").write_bytes(b"weightz")
    with pytest.raises(UsageError, match="not the file recorded"):
        model_file(workload)


def test_an_ir_without_weights_is_refused(ir) -> None:
    ir.with_suffix(".bin").unlink()
    with pytest.raises(UsageError, match=r"net\.bin, the weights of .*net\.xml, does not exist"):
        parse_model(str(ir), input_shape=SHAPE)


def test_a_changed_or_lost_file_is_refused(onnx) -> None:
    workload = parse_model(str(onnx), input_shape=SHAPE)
    onnx.write_bytes(b"another network")
    with pytest.raises(UsageError, match="not the file recorded"):
        load_program(workload)
    onnx.unlink()
    with pytest.raises(UsageError, match="does not exist"):
        load_program(workload)


def test_what_is_not_a_model_file_is_refused(tmp_path, onnx) -> None:
    with pytest.raises(UsageError, match="pth"):
        model_file(Workload("file", str(tmp_path / "net.pth"), SHAPE))
    with pytest.raises(UsageError, match="not a file"):
        model_file(Workload("pattern", "standard", SHAPE))
    with pytest.raises(UsageError, match="not the file recorded"):
        model_file(Workload("file", str(onnx), SHAPE))
    with pytest.raises(UsageError, match="cannot be built"):
        build(parse_model(str(onnx), input_shape=SHAPE))


def test_the_shape_must_come_from_somewhere(onnx) -> None:
    with pytest.raises(UsageError, match="--input"):
        parse_model(str(onnx))


def test_only_sizes_are_known_of_a_file(ir) -> None:
    workload = parse_model(str(ir), input_shape=SHAPE)
    cost = workload_cost(workload)
    assert (cost.macs, cost.parameters, cost.activation_bytes) == (None, None, None)
    assert cost.weights_bytes == len(b"<net/>weights")
    assert cost.peak_activation_bytes == 4 * 2 * 3 * 8 * 8
