"""The same network eight times by benchmark_app, torch's Timer and hwnas in turn, at equal time budgets."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from other_tools import benchmark_app_s, save_ir, torch_timer_s
from reporting import exclusive, run, variation
from scipy.stats import f as fisher

from hwnas.cli.progress import LineWatcher
from hwnas.core.errors import UsageError
from hwnas.core.measurement import PROTOCOL_VERSION
from hwnas.host.machine import probe_environment
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.measuring.statistics import estimate
from hwnas.store import LatencyStore
from hwnas.workloads.models import parse_model

PASSES = 5


def main(options: Namespace) -> dict[str, Any]:
    from rich.console import Console

    if options.repeats < 2:
        raise UsageError(f"--repeats is {options.repeats}", "Give 2 or more: one tells nothing of variation")

    # The same timed seconds as the other tools, spread over five processes; all of them are used,
    # since the interval asked for is out of reach.
    settings = Settings(
        passes=PASSES, max_passes=PASSES, budget_s=options.seconds / PASSES, target_half_width=1e-9
    )
    environment = probe_environment()
    results = {}
    with tempfile.TemporaryDirectory() as folder, exclusive("repeat"), LatencyStore.open(options.keep) as store:
        for network in options.networks:
            workload = parse_model(f"torchvision:{network}", input_shape=None, batch=None)
            model = save_ir(workload, Path(folder))
            others: dict[str, list[float]] = {"openvino:cpu:fp32": [], "torch:cpu:fp32": []}
            ours: dict[str, list[Any]] = {b: [] for b in others}
            for repeat in range(options.repeats):
                others["openvino:cpu:fp32"].append(benchmark_app_s(model, options.seconds))
                others["torch:cpu:fp32"].append(torch_timer_s(workload, options.seconds))
                for backend_id in ours:
                    experiment = Experiment(f"repeat{repeat}", "", (workload,), (backend_id,), 1, settings)
                    campaign = Campaign(Plan.of(experiment), store, environment, LineWatcher(Console()))
                    # Afresh: what a kept database holds was not measured beside the tools of this run.
                    uid = campaign.run(fresh=True).campaign_uid
                    ours[backend_id].append([s.measurement for s in store.measurements(campaign_uid=uid)])
            reference = store.canary_reference(environment, PROTOCOL_VERSION)
            for backend_id, tool in (("openvino:cpu:fp32", "benchmark_app"), ("torch:cpu:fp32", "Timer")):
                found = [estimate(passes, reference) for passes in ours[backend_id]]
                theirs, mine = variation(others[backend_id]), variation([e.latency_s for e in found])
                results[f"{network} {backend_id}"] = {
                    "tool": tool,
                    "tool_cv_percent": round(theirs, 2),
                    "hwnas_cv_percent": round(mine, 2),
                    "hwnas_raw_cv_percent": round(variation([e.raw_median_s for e in found]), 2),
                    "ratio": round(mine / theirs, 3),
                    "ratio_interval": [round(end, 3) for end in ratio_interval(mine / theirs, options.repeats)],
                    "tool_ms": [round(1e3 * v, 3) for v in others[backend_id]],
                    "hwnas_ms": [round(1e3 * e.latency_s, 3) for e in found],
                }
                print(f"{network} {backend_id}", results[f"{network} {backend_id}"], flush=True)
    passed = all(r["ratio"] <= 0.25 and r["hwnas_cv_percent"] <= 2 for r in results.values())
    return {"results": results, "budget_s": options.seconds, "passed": passed}


def ratio_interval(ratio: float, repeats: int) -> list[float]:
    """The 95 % interval of the ratio of two small coefficients of variation, each of so many repeats.

    For normal results the square of the ratio follows Fisher's F (Snedecor and Cochran, Statistical Methods).
    """
    reach = float(fisher.ppf(0.975, repeats - 1, repeats - 1)) ** 0.5
    return [ratio / reach, ratio * reach]


if __name__ == "__main__":
    run(
        main,
        ("--repeats", {"type": int, "default": 8}),
        ("--seconds", {"type": float, "default": 5.0}),
        ("--networks", {"nargs": "+", "default": ["mobilenet_v2"]}),
        ("--keep", {"metavar": "DB", "default": "sqlite://", "help": "keep the samples in this database"}),
    )
