"""Makes the simulated host and the misbehaving backends importable, and takes the latter back."""

import sys
from pathlib import Path

import pytest

from hwnas.backends.registry import BACKENDS

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _registered_here_alone(monkeypatch):
    monkeypatch.setattr(BACKENDS, "_builtin", dict(BACKENDS._builtin))
