"""Backends that crash, hang, eat memory or compute nonsense, to see that only their cell is lost."""

from __future__ import annotations

import os
import time

import numpy as np

from hwnas.backends.torch_eager import TorchEager
from hwnas.backends.torch_session import TorchSession
from hwnas.core.errors import BackendUnavailable


class _Session(TorchSession):
    calls = 0

    def run(self):
        super().run()
        self.calls += 1
        self.after(self.calls)

    def after(self, calls):
        """Misbehave."""


class _Bad(TorchEager):
    session = _Session

    def compile(self, program, threads):
        return self.session(program.module, program.inputs, threads)


class Crashes(_Bad):
    """Dies in the middle of timing."""

    id = "crashes:cpu:fp32"

    class session(_Session):  # noqa: N801
        def after(self, calls):
            if calls > 40:
                os._exit(9)


class Hangs(_Bad):
    """Never returns once it is warm."""

    id = "hangs:cpu:fp32"

    class session(_Session):  # noqa: N801
        def after(self, calls):
            if calls > 40:
                time.sleep(3600)


class EatsMemory(_Bad):
    """Grows until somebody stops it."""

    id = "eats:cpu:fp32"

    def compile(self, program, threads):
        hoard = []
        while True:
            hoard.append(np.ones(2**20))
            time.sleep(0.01)


class ComputesNonsense(_Bad):
    """Is off by one percent."""

    id = "nonsense:cpu:fp32"

    class session(_Session):  # noqa: N801
        def outputs(self):
            return [1.01 * o for o in super().outputs()]


class Missing(TorchEager):
    """Is not there."""

    id = "missing:cpu:fp32"

    def compile(self, program, threads):
        raise BackendUnavailable("no such device", "Buy one")
