"""Backends that are slower by a known factor: every call is followed by waiting for a share of its own time."""

from __future__ import annotations

import time
from typing import Any

from hwnas.backends.openvino_cpu import OpenVinoCpu
from hwnas.backends.protocol import Program, Session
from hwnas.backends.torch_eager import TorchEager

FACTOR = 1.05


class SlowedSession:
    """Delegates to a session and stretches each call by `FACTOR`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self) -> None:
        """One inference, then busy waiting: the thread stays awake, as a slower kernel's would."""
        start = time.perf_counter_ns()
        self._session.run()
        end = start + int((time.perf_counter_ns() - start) * FACTOR)
        while time.perf_counter_ns() < end:
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class SlowedOpenVino(OpenVinoCpu):
    """OpenVINO, 5 % slower."""

    id = "openvino-slowed:cpu:fp32"

    def compile(self, program: Program, threads: int) -> Session:
        """See `SlowedSession`."""
        return SlowedSession(super().compile(program, threads))


class SlowedTorch(TorchEager):
    """PyTorch eager, 5 % slower."""

    id = "torch-slowed:cpu:fp32"

    def compile(self, program: Program, threads: int) -> Session:
        """See `SlowedSession`."""
        return SlowedSession(super().compile(program, threads))
