"""Is a found network more accurate than MobileNetV2 and than what random search finds under the same limit?

Fashion-MNIST, the space of patterns, so many minutes of search a run, three searches each. After the two
searches of a seed their winners and MobileNetV2 at many widths are measured in one campaign, and then the
networks that ours had trained; MobileNetV2 has the width that is just slower than the found network, and of its
two forms the one that is better on the validation images. All of them are trained with seeds that no search has
used, and told by the test images. Everything is kept in --keep, and the same command goes on; a search that was
broken off gets what it lost on top of its time, so compare whole ones.
"""

from __future__ import annotations

import json
import math
import statistics
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reporting import run
from scipy.stats import t as student

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.jobs.feasibility import Feasibility, LatencyProof
from hwnas.jobs.folder import RESULT, SearchFolder
from hwnas.jobs.host_timer import QUICK, HostTimer, Times
from hwnas.jobs.options import SearchOptions
from hwnas.jobs.paths import with_absolute_paths
from hwnas.jobs.search_job import search
from hwnas.measuring.events import Silent
from hwnas.store import LatencyStore
from hwnas.training.datasets import load_data
from hwnas.training.intervals import wilson
from hwnas.training.several_seeds import MeanAccuracy, mean_accuracy
from hwnas.training.trained import TrainedEvaluator
from hwnas.workloads.models import parse_model

BACKEND = "openvino:cpu:fp32"
SAMPLERS = ("hwnas", "random")
KINDS = ("plain", "early")
WIDTHS = (10, 15, 20, 25, 30, 35, 40, 50, 60, 75, 100, 140, 200)
#: Of the trainings that are told; searches have small seeds.
SEEDS = (1000, 1001, 1002)


@dataclass(frozen=True)
class Judge:
    """Tells what is compared.

    Args:
        times: Of all winners and of every width.
        validation: Trainings told by the images that choose.
        test: The same by those that decide nothing.
    """

    times: Times
    validation: TrainedEvaluator
    test: TrainedEvaluator

    def latency_ms(self, network: Workload) -> float | None:
        """Drift-corrected, on the backend of the limit."""
        found = self.times[network, BACKEND].estimate
        return None if found is None else found.latency_s * 1e3

    def verdict(self, network: Workload, limit_s: float) -> str:
        """Of the limit, by the interval."""
        timed = self.times[network, BACKEND]
        return str(LatencyProof(BACKEND, timed.estimate, limit_s, timed.reason).verdict)

    def accuracy(self, network: Workload) -> MeanAccuracy:
        """On the test images."""
        return mean_accuracy(self.test, network, SEEDS)

    def baseline(self, latency_ms: float) -> dict[str, Any] | None:
        """MobileNetV2 at the least latency that is not below another; None where every width is faster."""
        chosen = []
        for kind in KINDS:
            slower = [
                (ms, width)
                for width in WIDTHS
                if (ms := self.latency_ms(mobile(kind, width))) is not None and ms >= latency_ms
            ]
            if slower:
                ms, width = min(slower)
                network = mobile(kind, width)
                chosen.append(
                    (mean_accuracy(self.validation, network, SEEDS).mean, ms, f"{kind} {width} %", network)
                )
        if not chosen:
            return None
        _, ms, name, network = max(chosen, key=lambda found: found[0])
        return {"network": name, "latency_ms": ms, **told(self.accuracy(network))}


def main(options: Namespace) -> dict[str, Any]:
    keep, limit_s = Path(options.keep), options.limit_ms / 1e3
    db = str(keep / "latency.sqlite")
    test = TrainedEvaluator(load_data(options.data), folder=keep / "told", part="test")
    rows = []
    for seed in map(int, options.seeds.split(",")):
        done = keep / f"seed-{seed}.json"
        if not done.exists():
            runs = {name: searched(options, keep, db, name, seed) for name in SAMPLERS}
            with LatencyStore.open(db) as store:
                row = compared(store, runs, seed, test, limit_s)
            done.write_text(json.dumps(row, indent=1))
        rows.append(json.loads(done.read_text()))
        print(rows[-1], flush=True)
    shares = feasible_share([row["trained"] for row in rows])
    return {
        "limit_ms": options.limit_ms,
        "minutes": options.minutes,
        "rows": rows,
        "ahead_of_random": paired(rows, "random"),
        "ahead_of_mobile": paired(rows, "mobile"),
        "trained_trials": shares,
        "passed": shares["feasible_percent"] >= 95 and all(row["ahead"] for row in rows),
    }


def searched(options: Namespace, keep: Path, db: str, sampler: str, seed: int) -> dict[str, Any]:
    chosen = SearchOptions(
        data=options.data,
        max_latency_s={BACKEND: options.limit_ms / 1e3},
        budget_s=60 * options.minutes,
        sampler=sampler,
        seed=seed,
    )
    out = (keep / f"{sampler}-{seed}").absolute()
    folder = SearchFolder(out)
    # Searches of before were given a number that no search reaches.
    if folder.is_search() and replace(folder.declared().options, trials=None) != with_absolute_paths(chosen):
        raise UsageError(f"{out} is another search", "Give another folder with --keep")
    if (out / RESULT).exists():
        return folder.read(RESULT)
    print(f"searching: {sampler}, seed {seed}", flush=True)
    return search(chosen, out, db=db, resume=folder.is_search())


def feasible_counts(timer: HostTimer, record: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """Networks on whose training time was spent, given up or not; what cannot be measured is not feasible.

    They are measured once more after the search. Beside that stands what the search itself had measured by its
    end, most of it before it trained them.
    """
    networks = [parse_model(f"space:{record['search']['space']}:{t['text']}") for t in trained_trials(record)]
    print(f"measuring {len(networks)} networks that were trained", flush=True)
    times = timer.close(networks, [BACKEND], settings=replace(QUICK, passes=2, max_passes=2))
    proofs = [LatencyProof(BACKEND, times[w, BACKEND].estimate, limit_s) for w in networks]
    return {
        "networks": len(proofs),
        "within": sum(p.estimate is not None and p.estimate.latency_s <= limit_s for p in proofs),
        "verdicts": {str(v): sum(p.verdict is v for p in proofs) for v in Feasibility},
        "by_the_search": by_the_search(record, limit_s),
    }


def by_the_search(record: dict[str, Any], limit_s: float) -> dict[str, int]:
    measured = record["search"]["measured"][f"latency {BACKEND}"]
    known = [measured[t["text"]] for t in trained_trials(record) if t["text"] in measured]
    return {"networks": len(known), "within": sum(s <= limit_s for s in known)}


def feasible_share(counts: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all searches together, with Wilson's 95 % interval."""
    networks, within = (sum(found[key] for found in counts) for key in ("networks", "within"))
    low, high = wilson(within / networks, networks) if networks else (0.0, 1.0)
    return {
        "networks": networks,
        "feasible_percent": round(100 * within / networks, 1) if networks else 0.0,
        "interval_percent": [round(100 * low, 1), round(100 * high, 1)],
        "verdicts": {str(v): sum(found["verdicts"][str(v)] for found in counts) for v in Feasibility},
    }


def trained_trials(record: dict[str, Any]) -> list[dict[str, Any]]:
    trials = record["search"]["trials"]
    return [t for t in trials if t["state"] in ("COMPLETE", "PRUNED") and t["repeats"] is None]


def mobile(kind: str, width: int) -> Workload:
    return parse_model(f"mobile_networks:{kind}_{width:03d}", input_shape=(1, 1, 28, 28))


def compared(
    store: LatencyStore, runs: dict[str, dict[str, Any]], seed: int, test: TrainedEvaluator, limit_s: float
) -> dict[str, Any]:
    """Winners against each other and against MobileNetV2; everything is measured before anything is trained."""
    winners = {name: parse_model(r["winner"]["model"]) for name, r in runs.items() if r["winner"] is not None}
    timer = HostTimer(store, probe_environment(), 1, Silent(), f"search_real {seed}")
    print(f"measuring winners and widths, seed {seed}", flush=True)
    mobiles = [mobile(kind, width) for kind in KINDS for width in WIDTHS]
    judge = Judge(timer.close([*winners.values(), *mobiles], [BACKEND]), test.on("validation"), test)
    row: dict[str, Any] = {"seed": seed, "trained": feasible_counts(timer, runs["hwnas"], limit_s)}
    for name, record in runs.items():
        trained = trained_trials(record)
        row[name] = {
            "evaluations": record["search"]["evaluations"],
            "given_up": sum(t["state"] == "PRUNED" for t in trained),
            "training_s": round(sum(t["seconds"] or 0.0 for t in trained)),
        }
        if name in winners:
            network = winners[name]
            row[name] |= {
                "model": record["winner"]["model"],
                "latency_ms": judge.latency_ms(network),
                "verdict": judge.verdict(network, limit_s),
                **told(judge.accuracy(network)),
            }
    ours, others = row["hwnas"], row["random"]
    latency_ms = ours.get("latency_ms")
    row["mobile"] = None if latency_ms is None else judge.baseline(latency_ms)
    row["ahead"] = (
        ours.get("verdict") == Feasibility.FEASIBLE
        and row["mobile"] is not None
        and ours["accuracy"] > row["mobile"]["accuracy"]
        and ours["accuracy"] > others.get("accuracy", 0.0)
    )
    return row


def told(found: MeanAccuracy) -> dict[str, Any]:
    return {"accuracy": found.mean, "interval": found.interval}


def paired(rows: list[dict[str, Any]], other: str) -> dict[str, Any]:
    """Mean lead in points of accuracy, with Student's 95 % interval over the searches."""
    leads = [
        100 * (row["hwnas"]["accuracy"] - row[other]["accuracy"])
        for row in rows
        if "accuracy" in row["hwnas"] and row[other] is not None and "accuracy" in row[other]
    ]
    if len(leads) < 2:
        return {"leads": leads, "mean": None, "interval": None}
    mean, error = statistics.fmean(leads), statistics.stdev(leads) / math.sqrt(len(leads))
    half = float(student.ppf(0.975, len(leads) - 1)) * error
    return {"leads": leads, "mean": mean, "interval": [mean - half, mean + half]}


if __name__ == "__main__":
    run(
        main,
        ("--data", {"default": "fashion-mnist:/usr/share/datasets/fashion-mnist"}),
        ("--limit-ms", {"type": float, "default": 0.25, "help": "latency limit [ms]"}),
        ("--minutes", {"type": float, "default": 20.0, "help": "of search, a run"}),
        ("--seeds", {"default": "0,1,2"}),
        ("--keep", {"required": True, "help": "folder for searches and trainings"}),
    )
