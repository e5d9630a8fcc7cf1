"""An arm that is 5 % slower on 20 cells: how often is it found SLOWER?"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from typing import Any

from pairs import cells, compare_pairs
from reporting import exclusive, run

ARMS = {
    "torch:cpu:fp32": ("torch-slowed:cpu:fp32", "slowed:SlowedTorch"),
    "openvino:cpu:fp32": ("openvino-slowed:cpu:fp32", "slowed:SlowedOpenVino"),
}


def main(options: Namespace) -> dict[str, Any]:
    with exclusive("sensitivity"):
        rows = compare_pairs("sensitivity", ARMS, cells(options.cells // len(ARMS)), options.db)
    found = sum(r["verdict"] == "SLOWER" for r in rows) / len(rows)
    return {
        "cells": rows,
        "slower_share": found,
        "verdicts": dict(Counter(r["verdict"] for r in rows)),
        "passed": found >= 0.9,
    }


if __name__ == "__main__":
    run(main, ("--db", {"default": "sqlite://"}), ("--cells", {"type": int, "default": 20}))
