"""Two identical arms on 40 cells: how often are they SAME, and how far off is the worst verdict?"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from typing import Any

from pairs import cells, compare_pairs
from reporting import exclusive, run

ARMS = {
    "torch:cpu:fp32": ("torch-twin:cpu:fp32", "hwnas.backends.torch_eager:TorchEager"),
    "openvino:cpu:fp32": ("openvino-twin:cpu:fp32", "hwnas.backends.openvino_cpu:OpenVinoCpu"),
}


def main(options: Namespace) -> dict[str, Any]:
    with exclusive("aa"):
        rows = compare_pairs("aa", ARMS, cells(options.cells // len(ARMS)), options.db)
    verdicts = Counter(r["verdict"] for r in rows)
    wrong = [abs(r["speedup"] - 1) for r in rows if r["verdict"] in ("FASTER", "SLOWER")]
    same = verdicts["SAME"] / len(rows)
    return {
        "cells": rows,
        "same_share": same,
        "verdicts": dict(verdicts),
        "largest_wrong_difference": max(wrong, default=0.0),
        "largest_difference": max(abs(r["speedup"] - 1) for r in rows),
        "passed": same >= 0.95 and max(wrong, default=0.0) <= 0.03,
    }


if __name__ == "__main__":
    run(main, ("--db", {"default": "sqlite://"}), ("--cells", {"type": int, "default": 40}))
