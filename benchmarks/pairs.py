"""Measures a baseline and a second arm on many cells, as one campaign at the default budget."""

from __future__ import annotations

from typing import Any

from hwnas.backends.registry import BACKENDS
from hwnas.cli.progress import LineWatcher
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.measuring.statistics import compare
from hwnas.store import LatencyStore
from hwnas.workloads.models import parse_model
from hwnas.workloads.patterns import PATTERNS, pattern_workload

#: The default budget of `hwnas measure --model` and of the quick study.
SETTINGS = Settings()

NETWORKS = ("mobilenet_v2", "resnet18", "shufflenet_v2_x1_0", "squeezenet1_1", "efficientnet_b0", "mnasnet1_0")


def cells(count: int) -> list[Workload]:
    """`count` different workloads: networks first, then stacks of the six patterns."""
    found = [parse_model(f"torchvision:{name}", input_shape=None, batch=None) for name in NETWORKS]
    for resolution, width in ((56, 64), (28, 128), (56, 32), (14, 256)):
        found += [pattern_workload(p, depth=10, width=width, resolution=resolution) for p in PATTERNS]
    return found[:count]


def compare_pairs(
    name: str, arms: dict[str, tuple[str, str]], workloads: list[Workload], db: str
) -> list[dict[str, Any]]:
    """One campaign a baseline: baseline id -> (id of the second arm, its class).

    Raw samples go to the database `db`, to look into afterwards; `sqlite://` keeps nothing.

    Returns:
        One row a cell: workload, baseline, speedup of the second arm with interval, verdict.
    """
    from rich.console import Console

    rows = []
    for baseline, (second, target) in arms.items():
        BACKENDS.add(second, target)
        experiment = Experiment(name, "", tuple(workloads), (baseline, second), 1, SETTINGS)
        with LatencyStore.open(db) as store:
            campaign = Campaign(Plan.of(experiment), store, probe_environment(), LineWatcher(Console()))
            uid = campaign.run(fresh=True).campaign_uid
            measured = [s.measurement for s in store.measurements(campaign_uid=uid)]
        for workload in workloads:
            passes = {
                b: [m for m in measured if m.workload == workload and m.backend == b]
                for b in (baseline, second)
            }
            if any(m.status is not Status.OK for found in passes.values() for m in found):
                raise SystemExit(f"{workload.label} on {baseline} could not be measured")
            c = compare(passes[baseline], passes[second])
            rows.append(
                {
                    "workload": workload.label,
                    "baseline": baseline,
                    "speedup": round(c.speedup, 4),
                    "low": round(c.low, 4),
                    "high": round(c.high, 4),
                    "verdict": str(c.verdict),
                    "stops": sorted({m.stop_reason for m in passes[second]}),
                }
            )
            print(
                f"{workload.label:45} {baseline:20} {c.speedup:.4f} [{c.low:.4f}, {c.high:.4f}] {c.verdict}",
                flush=True,
            )
    return rows
