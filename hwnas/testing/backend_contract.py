"""What every backend must keep: subclass it and override the `backend` fixture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hwnas.backends.protocol import Backend, Program
from hwnas.core.errors import BackendUnavailable
from hwnas.measuring.agreement import check_effective


def small_network() -> torch.nn.Module:
    """Convolutions of three kinds, batch norm, ReLU6 and a classifier, with weights from a fixed seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, padding=1),
            torch.nn.BatchNorm2d(16),
            torch.nn.ReLU6(),
            torch.nn.Conv2d(16, 16, 3, padding=1, groups=16),
            torch.nn.Conv2d(16, 32, 1),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(32, 10),
        ).eval()


def small_input(batch: int = 2) -> torch.Tensor:
    """Normal values of shape ``(batch, 3, 24, 24)`` from a fixed seed."""
    return torch.randn(batch, 3, 24, 24, generator=torch.Generator().manual_seed(1))


class BackendContract:
    """Tests that a backend keeps the protocol of `hwnas.backends.protocol`."""

    @pytest.fixture
    def backend(self) -> Backend:
        """The backend under test; a device that is missing skips, with the backend's own reason.

        Raises:
            TypeError: The subclass does not say which backend it tests.
        """
        raise TypeError(f"{type(self).__name__} must override the fixture 'backend'")

    @pytest.fixture
    def available(self, backend: Backend) -> Backend:
        """The backend, where this host can run it."""
        found = backend.availability()
        if not found.available:
            pytest.skip(f"{backend.id}: {found.detail}. {found.remedy}")
        return backend

    def test_names_runtime_device_and_precision(self, backend: Backend) -> None:
        """The id has three parts."""
        assert isinstance(backend, Backend)
        assert len(backend.id.split(":")) == 3
        assert backend.description
        assert 0 < backend.tolerance < 1
        assert isinstance(backend.runs_files, bool)
        assert isinstance(backend.steady_heap, bool)
        assert isinstance(backend.lists_kernels, bool)

    def test_says_how_to_get_what_is_missing(self, backend: Backend) -> None:
        """An unavailable backend names a remedy."""
        found = backend.availability()
        assert found.detail
        assert found.available or found.remedy

    def test_environment_is_text(self, backend: Backend) -> None:
        """Variables for a process are strings."""
        for name, value in backend.environment(1).items():
            assert isinstance(name, str)
            assert isinstance(value, str)

    def test_computes_what_the_module_computes(self, available: Backend) -> None:
        """Outputs agree with eager PyTorch within the backend's own tolerance, for every image."""
        module, images = small_network(), small_input()
        with torch.inference_mode():
            expected = module(images).numpy()
        session = available.compile(Program((images,), module), threads=1)
        session.run()
        (found,) = session.outputs()
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() <= available.tolerance * np.abs(expected).max()

    def test_refuses_a_model_file_that_it_cannot_run(self, available: Backend, tmp_path: Path) -> None:
        """So that a campaign skips the cell instead of failing it."""
        if available.runs_files:
            pytest.skip(f"{available.id} runs model files")
        with pytest.raises(BackendUnavailable):
            available.compile(Program((small_input(1),), path=tmp_path / "network.onnx"), threads=1)

    def test_runs_again_with_the_same_result(self, available: Backend) -> None:
        """Nothing is left over from one run to the next, and outputs are copies, which stay as they are."""
        session = available.compile(Program((small_input(),), small_network()), threads=1)
        session.run()
        first = session.outputs()[0]
        session.run()
        again = session.outputs()[0]
        assert not np.shares_memory(first, again)
        np.testing.assert_array_equal(first, again)

    def test_reads_back_what_took_effect(self, available: Backend) -> None:
        """Effective settings can be stored; threads, streams and precision are those asked for."""
        session = available.compile(Program((small_input(1),), small_network()), threads=1)
        session.run()
        effective = session.effective()
        assert json.loads(json.dumps(dict(effective)))
        assert effective["precision"]
        check_effective(available.id, 1, effective)

    def test_tells_what_preparing_took(self, available: Backend) -> None:
        """Seconds, or None without such a step."""
        session = available.compile(Program((small_input(1),), small_network()), threads=1)
        for seconds in (session.convert_s, session.compile_s):
            assert seconds is None or seconds > 0

    def test_lists_kernels_that_ran(self, available: Backend) -> None:
        """Kernels come in order of execution, name their implementation and contain the convolutions."""
        session = available.compile(Program((small_input(1),), small_network()), threads=1)
        session.run()
        kernels = session.kernels()
        assert [k.position for k in kernels] == sorted(k.position for k in kernels)
        assert sum("conv" in k.type.lower() for k in kernels) >= 3
        assert all(k.implementation for k in kernels)
        assert all(k.time_s is None or k.time_s >= 0 for k in kernels)
        json.dumps([k.to_dict() for k in kernels])

    def test_computes_the_same_after_its_kernels_were_listed(self, available: Backend) -> None:
        """Profiling may leave it slower, and must not leave it wrong."""
        session = available.compile(Program((small_input(1),), small_network()), threads=1)
        session.run()
        first = session.outputs()[0]
        session.kernels()
        session.run()
        np.testing.assert_allclose(session.outputs()[0], first, rtol=0, atol=1e-5 * np.abs(first).max())

    def test_leaves_the_random_state_alone(self, available: Backend) -> None:
        """Measuring must not change what a training script draws next."""
        before = torch.random.get_rng_state()
        available.compile(Program((small_input(1),), small_network()), threads=1).run()
        assert torch.equal(before, torch.random.get_rng_state())

    def test_tells_what_it_reads_and_writes(self, available: Backend) -> None:
        """Every buffer exists, weights and input are read, and only temporaries are given back."""
        session = available.compile(Program((small_input(1),), small_network()), threads=1)
        flow = session.dataflow()
        if flow is None:
            pytest.skip(f"{available.id} does not tell what its kernels read and write")
        touched = {i for s in flow.steps for i in (*s.reads, *s.writes)}
        assert touched <= set(range(len(flow.buffers)))
        read = {flow.buffers[i].role for s in flow.steps for i in s.reads}
        assert {"weight", "input"} <= read
        assert all(flow.buffers[i].role == "temporary" for s in flow.steps for i in s.frees)
        assert sum("conv" in s.type for s in flow.steps) >= 3

    def test_lists_the_kernels_that_would_run(self, available: Backend) -> None:
        """The types and shapes of those that run, whatever the weights; or it refuses, as it says."""
        unlike = small_network()
        with torch.no_grad():
            for parameter in unlike.parameters():
                parameter.fill_(0.5)
        if not available.lists_kernels:
            with pytest.raises(BackendUnavailable):
                available.list_kernels(Program((small_input(1),), unlike), 1)
            return
        listed = available.list_kernels(Program((small_input(1),), unlike), 1)
        session = available.compile(Program((small_input(1),), small_network()), threads=1)
        session.run()
        ran = session.kernels()
        assert [k.type for k in listed] == [k.type for k in ran]
        assert [k.attributes["input_shapes"] for k in listed] == [k.attributes["input_shapes"] for k in ran]
        assert all(k.time_s is None for k in listed)
