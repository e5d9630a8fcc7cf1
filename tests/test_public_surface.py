"""What `import hwnas` offers, and what it does not load."""

import socket
import subprocess
import sys

import pytest

import hwnas

HEAVY = (
    "torch",
    "openvino",
    "pandas",
    "numpy",
    "matplotlib",
    "sklearn",
    "optuna",
    "nni",
    "sqlalchemy",
    "timm",
    "scipy",
)


def _loaded(code):
    probe = f"{code}\nimport sys; print(*[n for n in {HEAVY!r} if n in sys.modules])"
    return subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    ).stdout.split("\n")[-2]


def test_all_is_pinned():
    assert hwnas.__all__ == [
        "HwnasError",
        "LatencyPredictor",
        "Measurements",
        "Workload",
        "__version__",
        "host_predictor",
        "measure",
    ]
    for name in hwnas.__all__:
        assert getattr(hwnas, name) is not None


def test_import_loads_no_heavy_library():
    assert _loaded("import hwnas; hwnas.__version__") == ""


def test_help_loads_no_heavy_library():
    code = (
        "import sys; sys.argv = ['hwnas', '--help']\n"
        "try:\n    from hwnas.cli.main import main; main()\nexcept SystemExit: pass"
    )
    assert _loaded(code) == ""


def test_measure_stays_a_function_after_its_room_is_imported():
    import hwnas.measuring.statistics

    assert callable(hwnas.measure)


def test_no_test_reaches_the_network():
    """An address that belongs to nobody: if nothing held it back, there would be no answer, or a long wait."""
    with socket.socket() as line:
        line.settimeout(1)
        with pytest.raises(RuntimeError, match="reaches for the network"):
            line.connect(("192.0.2.1", 80))
