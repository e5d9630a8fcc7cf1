"""How accurate do random networks of a space become with the default training, and how long does it take?

Each is trained once, with its own seed, on all threads.
"""

from __future__ import annotations

import random
import statistics
from argparse import Namespace
from typing import Any

import torch
from reporting import exclusive, run

from hwnas.training.datasets import load_data
from hwnas.training.networks import space_for
from hwnas.training.trained import TrainedEvaluator
from hwnas.workloads.spaces.build import architecture_counts
from hwnas.workloads.spaces.workload import space_workload


def main(options: Namespace) -> dict[str, Any]:
    data = load_data(options.data)
    space, evaluator = space_for(options.space, data), TrainedEvaluator(data)
    test = TrainedEvaluator(data, part="test")
    rows = []
    with exclusive("train_defaults"):
        for number in range(options.networks):
            architecture = space.sample(random.Random(number))
            workload = space_workload(space, architecture)
            chosen = test if options.test else evaluator
            found = chosen.evaluate(workload, seed=number)
            rows.append(
                {
                    "architecture": space.compact(architecture),
                    "macs": architecture_counts(space, architecture).macs,
                    "accuracy": round(found.value, 4),
                    "epochs": found.epochs,
                    "seconds": round(found.seconds, 1),
                }
            )
            print(rows[-1], flush=True)
    accuracies, seconds = ([row[key] for row in rows] for key in ("accuracy", "seconds"))
    return {
        "data": data.name,
        "space": space.name,
        "images": "test" if options.test else "validation",
        "threads": torch.get_num_threads(),
        "accuracy": {
            "median": round(statistics.median(accuracies), 4),
            "worst": min(accuracies),
            "best": max(accuracies),
        },
        "seconds": {
            "median": round(statistics.median(seconds), 1),
            "shortest": min(seconds),
            "longest": max(seconds),
        },
        "networks": rows,
    }


if __name__ == "__main__":
    run(
        main,
        ("--data", {"default": "digits"}),
        ("--space", {"default": "patterns"}),
        ("--networks", {"type": int, "default": 20}),
        ("--test", {"action": "store_true"}),
    )
