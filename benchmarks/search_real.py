"""Is a found network more accurate than MobileNetV2 and than random search at equal measured latency?

Fashion-MNIST, the space of patterns, so many minutes of search a run, three seeds. MobileNetV2 is scaled in
width to the latency of the found network: of the two widths around it the slower one, which has the advantage.
Everything is kept in --keep, and the same command goes on.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from reporting import run

from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.search_job import search
from hwnas.measuring.events import Silent
from hwnas.store import LatencyStore
from hwnas.training.datasets import load_data
from hwnas.training.several_seeds import mean_accuracy
from hwnas.training.trained import TrainedEvaluator
from hwnas.workloads.models import parse_model

BACKEND = "openvino:cpu:fp32"
WIDTHS = (10, 15, 20, 25, 30, 35, 40, 50, 60, 75, 100)
FINAL_SEEDS = 3


def main(options: Namespace) -> dict[str, Any]:
    keep = Path(options.keep)
    db = str(keep / "latency.sqlite")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    runs = {
        (sampler, seed): _searched(options, keep, db, sampler, seed)
        for seed in seeds
        for sampler in ("hwnas", "random")
    }
    data = load_data(options.data)
    with LatencyStore.open(db) as store:
        timer = HostTimer(store, probe_environment(), 1, Silent(), "search_real")
        shares = [_feasible_share(timer, runs["hwnas", seed], options.limit_ms / 1e3) for seed in seeds]
        mobiles = _mobile_latencies(timer, keep)
        rows = [_compared(runs, seed, mobiles, timer, data, keep) for seed in seeds]
    measured = sum(s["measured"] for s in shares)
    feasible = sum(s["feasible"] for s in shares)
    return {
        "limit_ms": options.limit_ms,
        "minutes": options.minutes,
        "rows": rows,
        "trained_trials_measured": measured,
        "trained_trials_feasible_percent": round(100 * feasible / measured, 1),
        "passed": feasible >= 0.95 * measured
        and all(row["ours"] > row["random"] and row["ours"] > row["mobile"] for row in rows),
    }


def _searched(options: Namespace, keep: Path, db: str, sampler: str, seed: int) -> dict[str, Any]:
    out = keep / f"{sampler}-{seed}"
    folder = SearchFolder(out)
    if (out / "result.json").exists():
        return folder.read("result.json")
    print(f"searching: {sampler}, seed {seed}", flush=True)
    chosen = SearchOptions(
        data=options.data,
        max_latency_s={BACKEND: options.limit_ms / 1e3},
        trials=100_000,
        budget_s=60 * options.minutes,
        sampler=sampler,
        seed=seed,
        final_seeds=FINAL_SEEDS,
    )
    return search(chosen, out, db=db, resume=folder.is_search())


def _feasible_share(timer: HostTimer, record: dict[str, Any], limit_s: float) -> dict[str, int]:
    """Every network that was trained to its end, measured in one pass."""
    trials = [t for t in record["search"]["trials"] if t["state"] == "COMPLETE" and t["repeats"] is None]
    workloads = [parse_model(f"space:{record['search']['space']}:{t['text']}") for t in trials]
    found = [s for s in timer.quick(workloads, BACKEND) if s is not None]
    return {"measured": len(found), "feasible": sum(s <= limit_s for s in found)}


def _mobile(kind: str, width: int) -> Workload:
    return parse_model(f"mobile_networks:{kind}_{width:03d}", input_shape=(1, 1, 28, 28))


def _mobile_latencies(timer: HostTimer, keep: Path) -> dict[tuple[str, int], float]:
    names = [(kind, width) for kind in ("plain", "early") for width in WIDTHS]
    times = timer.close([_mobile(*name) for name in names], [BACKEND])
    found = {name: times[_mobile(*name), BACKEND].estimate for name in names}
    return {name: e.latency_s for name, e in found.items() if e is not None}


def _compared(
    runs: dict[tuple[str, int], dict[str, Any]],
    seed: int,
    mobiles: dict[tuple[str, int], float],
    timer: HostTimer,
    data: Any,
    keep: Path,
) -> dict[str, Any]:
    ours, others = runs["hwnas", seed], runs["random", seed]
    latency_s = ours["latencies"][0]["latency_ms"] / 1e3
    test = TrainedEvaluator(data, folder=keep / "mobile", part="test")
    baselines = []
    for kind in ("plain", "early"):
        own = sorted((s, width) for (k, width), s in mobiles.items() if k == kind)
        s, width = next((pair for pair in own if pair[0] >= latency_s), own[-1])
        accuracy = mean_accuracy(test, _mobile(kind, width), range(FINAL_SEEDS))
        baselines.append({"network": f"{kind} {width} %", "latency_ms": s * 1e3, "accuracy": accuracy.mean})
    return {
        "seed": seed,
        "ours": ours["accuracy"]["mean"],
        "ours_interval": ours["accuracy"]["interval"],
        "ours_latency_ms": latency_s * 1e3,
        "ours_verdict": ours["verdict"],
        "ours_model": ours["winner"]["model"],
        "ours_evaluations": ours["search"]["evaluations"],
        "random": others["accuracy"]["mean"],
        "random_latency_ms": others["latencies"][0]["latency_ms"],
        "random_verdict": others["verdict"],
        "random_evaluations": others["search"]["evaluations"],
        "mobile": max(b["accuracy"] for b in baselines),
        "mobiles": baselines,
    }


if __name__ == "__main__":
    run(
        main,
        ("--data", {"default": "fashion-mnist:/usr/share/datasets/fashion-mnist"}),
        ("--limit-ms", {"type": float, "default": 0.25, "help": "latency limit [ms]"}),
        ("--minutes", {"type": float, "default": 20.0, "help": "of search, a run"}),
        ("--seeds", {"default": "0,1,2"}),
        ("--keep", {"required": True, "help": "folder for searches and trainings"}),
    )
