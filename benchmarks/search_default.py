"""Does `hwnas search` without options end within 5 minutes, with a network better than the space's median?

The median is that of random networks of the same space, each trained once as the search trains.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from reporting import run

from hwnas.jobs.options import SearchOptions
from hwnas.training.datasets import load_data
from hwnas.training.networks import space_for
from hwnas.training.trained import TrainedEvaluator
from hwnas.workloads.spaces.workload import space_workload

LONGEST_S = 300.0


def main(options: Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "hwnas",
            "search",
            "--out",
            f"{folder}/out",
            "--db",
            f"{folder}/db.sqlite",
        ]
        start = time.monotonic()
        ended = subprocess.run([*command, *options.options.split()], check=False)
        search_s = time.monotonic() - start
        record = json.loads((Path(folder) / "out" / "result.json").read_text())
    found = record["accuracy"]["mean"]
    random_ones = _random_accuracies(options.networks)
    median = statistics.median(random_ones)
    return {
        "search_s": round(search_s, 1),
        "exit_code": ended.returncode,
        "evaluations": record["search"]["evaluations"],
        "model": record["winner"]["model"],
        "test_accuracy": round(found, 4),
        "test_accuracy_interval": record["accuracy"]["interval"],
        "latencies": record["latencies"],
        "random_networks": len(random_ones),
        "median_test_accuracy": round(median, 4),
        "best_random_test_accuracy": round(max(random_ones), 4),
        "passed": search_s <= LONGEST_S and ended.returncode == 0 and found > median,
    }


def _random_accuracies(count: int) -> list[float]:
    defaults = SearchOptions()
    data = load_data()
    space = space_for(defaults.space, data)
    test = TrainedEvaluator(data, part="test")
    networks = (space_workload(space, space.sample(random.Random(number))) for number in range(count))
    return [test.evaluate(network, seed=number).value for number, network in enumerate(networks)]


if __name__ == "__main__":
    run(
        main,
        ("--networks", {"type": int, "default": 20, "help": "random networks"}),
        ("--options", {"default": "", "help": "further options of hwnas search"}),
    )
