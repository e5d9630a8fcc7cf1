"""Every registered backend keeps the contract."""

import os

import numpy as np
import pytest
import torch

from hwnas.backends.protocol import Backend, Program
from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.errors import AgreementError, BackendUnavailable, UnknownName, UsageError
from hwnas.testing.backend_contract import BackendContract, small_input, small_network

pytestmark = [
    pytest.mark.usefixtures("torch_as_it_was"),
    # torch.utils.mkldnn scripts its modules.
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
]


def _dilated(groups: int = 16) -> torch.nn.Module:
    """A dilated convolution between two others."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, padding=1),
            torch.nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=groups),
            torch.nn.Conv2d(16, 16, 3, padding=1, groups=16),
        ).eval()


class TestTorchEager(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("torch:cpu:fp32")

    def test_runs_dilated_convolutions_in_onednn(self, backend):
        """Which torch-slow-dilated does not."""
        session = backend.compile(Program((small_input(2),), _dilated()), threads=1)
        session.run()
        implementations = [k.implementation for k in session.kernels() if k.type == "conv2d"]
        assert len(implementations) == 3
        assert all(name.startswith("onednn:") for name in implementations)


class TestTorchNoMkldnn(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("torch-nomkldnn")

    def test_runs_no_onednn_primitive(self, backend):
        session = backend.compile(Program((small_input(1),), small_network()), threads=1)
        session.run()
        assert session.effective()["mkldnn_enabled"] is False
        assert not [
            k for k in session.kernels() if "mkldnn" in k.implementation or "onednn" in k.implementation
        ]


class TestTorchMkldnn(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("torch-mkldnn")

    def test_runs_every_convolution_in_onednn_and_says_what_it_cannot(self, backend):
        session = backend.compile(Program((small_input(1),), small_network()), threads=1)
        session.run()
        convolutions = [k for k in session.kernels() if "convolution" in k.type]
        assert len(convolutions) == 3
        assert all(k.implementation.startswith("onednn:") for k in convolutions)
        assert "hardtanh" in session.effective()["dense_operators"]


class _ActivatedNorm(torch.nn.BatchNorm2d):
    """As in timm: the activation is part of the normalisation."""

    def __init__(self, channels):
        super().__init__(channels)
        self.drop = torch.nn.Identity()
        self.act = torch.nn.ReLU()

    def forward(self, x):
        return self.act(self.drop(super().forward(x)))


class _PaddedConvolution(torch.nn.Conv2d):
    """As in timm: one side gets more padding than the other."""

    def forward(self, x):
        return super().forward(torch.nn.functional.pad(x, (0, 1, 0, 1)))


@pytest.mark.parametrize("groups", [1, 8])
def test_mkldnn_keeps_what_subclasses_of_layers_add(groups):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 1),
            _PaddedConvolution(8, 8, 3, stride=2, groups=groups, bias=False),
            _ActivatedNorm(8),
            torch.nn.Conv2d(8, 8, 1),
        ).eval()
    with torch.inference_mode():
        expected = module(small_input(2)).numpy()
    session = backend("torch-mkldnn").compile(Program((small_input(2),), module), threads=1)
    session.run()
    found = session.outputs()[0]
    assert found.shape == expected.shape
    assert abs(found - expected).max() <= 1e-5 * abs(expected).max()
    convolutions = [k.implementation for k in session.kernels() if "conv" in k.type]
    assert len(convolutions) == 3
    assert all(name.startswith("onednn:") for name in convolutions)


class TestTorchDefaultHeap(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("torch-default-heap")


class TestTorchChannelsLast(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("torch-channels-last")


class TestTorchCompile(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("torch-compile")

    def test_it_is_one_graph_with_fewer_kernels_than_operators(self, available):
        session = available.compile(Program((small_input(2),), small_network()), threads=1)
        session.run()
        assert session.effective()["graphs"] == 1
        assert session.effective()["graph_breaks"] == {}
        # Normalisation and activations went into others.
        assert len(session.kernels()) < len(small_network())

    def test_many_networks_of_one_class_are_all_compiled(self, available):
        """Dynamo compiles eight of one code as it ships, and then no more; two tell the same sooner."""
        from torch import _dynamo

        with _dynamo.config.patch(recompile_limit=2):
            for kernel in range(1, 5):
                module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, kernel)).eval()
                session = available.compile(Program((small_input(1),), module), threads=1)
                assert session.effective()["graphs"] == 1


class TestTorchSlowDilated(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("torch-slow-dilated")

    @pytest.mark.parametrize("groups", [1, 16])
    def test_only_the_dilated_convolution_runs_outside_onednn(self, backend, groups):
        session = backend.compile(Program((small_input(2),), _dilated(groups)), threads=1)
        session.run()
        first, dilated, last = (k.implementation for k in session.kernels() if k.type == "conv2d")
        assert dilated == "aten::slow_conv_dilated2d"
        assert first.startswith("onednn:")
        assert last.startswith("onednn:")
        effective = session.effective()
        assert (effective["mkldnn_enabled"], effective["convolutions_without_onednn"]) == (True, 1)

    def test_the_given_module_stays_as_it_is(self, backend):
        module = _dilated()
        session = backend.compile(Program((small_input(2),), module), threads=1)
        assert "forward" not in vars(module[1])
        with torch.inference_mode():
            expected = module(small_input(2)).numpy()
        session.run()
        assert abs(session.outputs()[0] - expected).max() <= 1e-5 * abs(expected).max()


class TestOpenVinoCpu(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("openvino:cpu:fp32")

    def test_one_stream_the_threads_asked_for_and_true_fp32(self, backend):
        session = backend.compile(Program((small_input(1),), small_network()), threads=1)
        effective = session.effective()
        assert (effective["threads"], effective["streams"], effective["precision"]) == (1, 1, "f32")

    def test_fuses_the_activation_into_the_convolution(self, backend):
        session = backend.compile(Program((small_input(1),), small_network()), threads=1)
        fused = [k for k in session.kernels() if k.type == "Convolution" and len(k.fused) > 1]
        assert fused

    def test_kernels_of_more_than_a_microsecond_have_their_time_and_attributes(self, backend):
        network = torch.nn.Conv2d(64, 64, 3, stride=2, padding=1, groups=2).eval()
        session = backend.compile(Program((torch.randn(1, 64, 112, 112),), network), threads=1)
        (kernel,) = (k for k in session.kernels() if k.type == "Convolution")
        assert kernel.time_s > 0
        assert [kernel.attributes[k] for k in ("stride", "groups")] == [[2, 2], 2]

    def test_wrong_input_shape_of_a_file_is_one_line(self, backend, tmp_path):
        path = _ir(tmp_path)
        with pytest.raises(UsageError, match="--input"):
            backend.compile(Program((torch.randn(1, 5, 24, 24),), path=path), threads=1)

    def test_corrupt_file_is_one_line(self, backend, tmp_path):
        path = tmp_path / "broken.onnx"
        path.write_bytes(b"not an onnx file")
        with pytest.raises(UsageError, match=r"broken\.onnx") as caught:
            backend.compile(Program((small_input(1),), path=path), threads=1)
        assert "\n" not in str(caught.value)

    def test_runs_its_own_ir(self, backend, tmp_path):
        session = backend.compile(Program((small_input(1),), path=_ir(tmp_path)), threads=1)
        session.run()
        with torch.inference_mode():
            expected = small_network()(small_input(1)).numpy()
        assert abs(session.outputs()[0] - expected).max() < 1e-4


class TestOpenVinoGpu(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("openvino:gpu:fp16")


class TestOpenVinoNpu(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return backend("openvino:npu:fp16")


def _ir(folder):
    from hwnas.backends.openvino_runtime import import_openvino

    ov = import_openvino()
    exported = torch.export.export(small_network(), (small_input(1),), strict=False)
    path = folder / "small.xml"
    ov.save_model(ov.convert_model(exported), path, compress_to_fp16=False)
    return path


def test_every_registered_backend_is_tested_and_carries_its_own_id():
    for name in BACKENDS.names():
        instance = backend(name)
        assert isinstance(instance, Backend)
        assert instance.id == name
        assert f"Test{type(instance).__name__}" in globals()
        # What docs/protocol.md says of outputs that are equal.
        assert instance.tolerance == {"fp32": 1e-3, "fp16": 5e-2}[name.rpartition(":")[2]]


class _LendingSession:
    """Gives its own buffer away, and writes the precision as nobody else does."""

    def __init__(self):
        self._buffer = np.zeros(3, np.float32)

    def run(self):
        pass

    def outputs(self):
        return [self._buffer]

    def effective(self):
        return {"threads": 1, "streams": 1, "precision": "fp32"}


class _Careless:
    """Takes any program, and lists kernels although it says that it cannot."""

    id = "careless:cpu:fp32"
    runs_files = lists_kernels = False

    def compile(self, program, threads):
        return _LendingSession()

    def list_kernels(self, program, threads):
        return ()


@pytest.mark.parametrize(
    ("broken", "arguments"),
    [
        ("runs_again_with_the_same_result", 0),
        ("reads_back_what_took_effect", 0),
        ("refuses_a_model_file_that_it_cannot_run", 1),
        ("lists_the_kernels_that_would_run", 0),
    ],
)
def test_a_careless_backend_breaks_the_contract(broken, arguments, tmp_path):
    test = getattr(BackendContract(), f"test_{broken}")
    with pytest.raises((AssertionError, AgreementError, pytest.fail.Exception)):
        test(_Careless(), *[tmp_path] * arguments)


class _DeafCore:
    """A driver that lists its device and cannot answer."""

    available_devices = ("CPU", "NPU")

    def get_property(self, device, name):
        raise RuntimeError("Exception from src/inference:\nthe driver of [NPU] does not answer\n")


def _no_core():
    raise RuntimeError("no plugins.xml")


@pytest.mark.parametrize(("core", "words"), [(_DeafCore, "does not answer"), (_no_core, "plugins.xml")])
def test_a_device_that_does_not_answer_is_unavailable(core, words, monkeypatch):
    from hwnas.backends.openvino_session import ov

    monkeypatch.setattr(ov, "Core", core)
    found = backend("openvino:npu:fp16").availability()
    assert not found.available
    assert words in found.detail
    assert found.remedy


def test_a_torch_that_does_not_load_is_unavailable(monkeypatch):
    """A library of the system that it lacks is an OSError, and no ImportError."""

    def broken(needs_mkldnn):
        raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr("hwnas.backends.torch_session.torch_availability", broken)
    found = backend("torch:cpu:fp32").availability()
    assert not found.available
    assert "libcudart.so.13" in found.detail
    assert found.remedy == "pip install torch"


def test_an_unknown_backend_lists_close_names():
    with pytest.raises(UnknownName, match="openvino:cpu:fp32"):
        backend("openvino:cpu:fp23")


def test_an_ambiguous_short_name_lists_the_choices():
    with pytest.raises(UsageError, match="openvino:gpu:fp16"):
        backend("openvino")


def test_torch_refuses_a_model_file(tmp_path):
    with pytest.raises(BackendUnavailable, match="openvino"):
        backend("torch:cpu:fp32").compile(Program((small_input(1),), path=tmp_path / "x.onnx"), threads=1)


def test_openvino_leaves_no_telemetry_behind(tmp_path):
    """Import, conversion and compilation write nothing under the home folder and load no telemetry."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from hwnas.backends.registry import backend\n"
        "from hwnas.backends.protocol import Program\n"
        "from hwnas.testing.backend_contract import small_input, small_network\n"
        "backend('openvino:cpu:fp32').compile(Program((small_input(1),), small_network()), 1).run()\n"
        "assert sys.modules.get('openvino_telemetry') is None, 'telemetry loaded'\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "HOME": str(home)}, timeout=300)
    assert [p for p in home.rglob("*") if p.is_file() and "intel" in str(p).lower()] == []
