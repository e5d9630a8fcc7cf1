"""What the benchmark scripts share: arguments, the machine's description and the JSON line."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from hwnas.core.errors import HwnasError
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment


def run(main: Callable[[argparse.Namespace], dict[str, Any]], *arguments: tuple[str, dict[str, Any]]) -> None:
    """Parse the arguments, run `main`, and print its figures.

    Args:
        main: Returns the figures, JSON-ready; ``passed`` says whether the bar is met.
        arguments: Further options as (flag, keywords of `add_argument`).

    Raises:
        SystemExit: `main` ended with an error of hwnas, which is told in one line.
    """
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    for flag, options in arguments:
        parser.add_argument(flag, **options)
    options = parser.parse_args()
    start = time.monotonic()
    try:
        figures = main(options)
    except HwnasError as error:
        raise SystemExit(str(error)) from None
    environment = probe_environment()
    figures = {
        **figures,
        "wall_s": round(time.monotonic() - start, 1),
        "cpu": environment.cpu_model,
        "environment": environment.fingerprint,
        "versions": dict(environment.versions),
    }
    for key, value in figures.items():
        if not isinstance(value, (list, dict)):
            print(f"{key}: {value}")
    if options.json:
        print(json.dumps(figures))


def exclusive(what: str) -> Any:
    """The measuring lock, so that no campaign runs beside a benchmark."""
    return measuring_lock(f"benchmarks/{what}")


def variation(values: Sequence[float]) -> float:
    """Coefficient of variation [%] of repeated results."""
    return 100 * statistics.stdev(values) / statistics.fmean(values)
