"""How long `hwnas --help` and `import hwnas` take, and whether they load a heavy library."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from argparse import Namespace
from typing import Any

from reporting import run

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
LIMIT_S = 0.3


def _median_s(command: list[str], repeats: int) -> float:
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def _loaded(code: str) -> list[str]:
    probe = f"{code}\nimport sys; print(*[n for n in {HEAVY!r} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    return found.stdout.split("\n")[-2].split()


def main(options: Namespace) -> dict[str, Any]:
    help_s = _median_s([sys.executable, "-m", "hwnas", "--help"], options.repeats)
    import_s = _median_s([sys.executable, "-c", "import hwnas"], options.repeats)
    bare_s = _median_s([sys.executable, "-c", "pass"], options.repeats)
    heavy = _loaded("import hwnas") + _loaded(
        "import sys; sys.argv = ['hwnas', '--help']\n"
        "try:\n    from hwnas.cli.main import main; main()\nexcept SystemExit:\n    pass"
    )
    return {
        "help_s": help_s,
        "import_s": import_s,
        "bare_python_s": bare_s,
        "heavy_libraries": heavy,
        "passed": max(help_s, import_s) <= LIMIT_S and not heavy,
    }


if __name__ == "__main__":
    run(main, ("--repeats", {"type": int, "default": 21}))
