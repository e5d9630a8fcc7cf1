"""For tests and doctests: none waits for a real campaign, disturbs one, or depends on whose shell it is."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from hwnas.core.errors import MissingDependency
from hwnas.nni_bridge.availability import check_nni

# Doctests import every module; these import NNI, which not every machine can have.
try:
    check_nni()
except MissingDependency:
    collect_ignore_glob = ["hwnas/nni_bridge/*"]

# Operators as small as those of tests take longer on several threads, and far longer where other processes want
# the processor as well. Arms that are asked for threads set their number themselves.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes tells of the machine and of what else runs there.
settings.register_profile("hwnas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hwnas")

#: What a shell says of its terminal, and where its user's measurements are.
_OF_A_SHELL = (
    *("COLUMNS", "LINES", "JUPYTER_COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
    "HWNAS_DB",
)


@pytest.fixture(scope="session", autouse=True)
def _own_measuring_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWNAS_LOCK", str(tmp_path_factory.mktemp("lock") / "measuring.lock"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _nobodys_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No terminal, and no database or predictor of the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _OF_A_SHELL:
            patch.delenv(name, raising=False)
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Nothing is downloaded and nothing is sent: what tries fails, and not as if the line were down."""
    connect = socket.socket.connect
    own = ("127.0.0.1", "::1", "localhost")

    def local(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in own:
            raise RuntimeError(f"something reaches for the network: {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", local)
        yield
