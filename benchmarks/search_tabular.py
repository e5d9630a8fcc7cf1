"""How far below the best network within a latency limit do searches end, after 30, 50 and 100 evaluations?

On the table of NAS-Bench-201: real accuracies, real latencies, every network known. Our latency model sees at
most 20 measured latencies; the baselines know the latency of every network that they have evaluated, and
random search and evolution are told it before, so that no evaluation of theirs is wasted.
"""

from __future__ import annotations

import csv
import gzip
import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import optuna
from reporting import run
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from hwnas.core.resources import data_folder
from hwnas.core.workload import Workload
from hwnas.searching.codes import Codes
from hwnas.searching.learned_latency import LearnedLatency
from hwnas.searching.limit import Limit
from hwnas.searching.optuna_space import architecture_of, distributions
from hwnas.searching.run import run_search
from hwnas.training.accuracy import Accuracy
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import load_space

#: Limit [ms] -> most mean regret in points of accuracy after 50 and after 100 evaluations.
BARS = {7.8: {50: 0.15, 100: 0.05}, 9.6: {50: 0.25, 100: 0.10}, 11.6: {50: 0.05, 100: 0.01}}
COUNTS = (30, 50, 100)
MOST_MEASURED = 20
OURS = "hwnas"
_POPULATION, _TOURNAMENT = 20, 5


@dataclass(frozen=True)
class Table:
    """Every network of the space.

    Args:
        space: NAS-Bench-201.
        accuracies: Compact text -> test accuracy on CIFAR-10 [%].
        latencies_ms: Compact text -> latency [ms].
    """

    space: Space
    accuracies: dict[str, float]
    latencies_ms: dict[str, float]

    def best(self, limit_ms: float) -> float:
        """The accuracy to reach."""
        return max(self.accuracies[text] for text, ms in self.latencies_ms.items() if ms <= limit_ms)


@cache
def table(device: str) -> Table:
    with gzip.open(
        data_folder("experiments") / "tables" / "nasbench201.csv.gz", "rt", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    accuracies = {row["arch"]: float(row["cifar10_test_acc"]) for row in rows}
    latencies = {row["arch"]: float(row[f"{device}_ms"]) for row in rows}
    return Table(load_space("nasbench201"), accuracies, latencies)


@dataclass(frozen=True)
class Run:
    """One search.

    Args:
        evaluated: Networks in the order of their evaluation, as compact texts.
        measured: Latencies that the search has seen; None for baselines, which see that of every network.
        ruled_out: Networks that were suggested and ruled out before they were evaluated.
    """

    evaluated: list[str]
    measured: int | None = None
    ruled_out: int = 0


def hwnas_search(known: Table, limit_ms: float, seed: int, evaluations: int) -> Run:
    """Ours, as ``hwnas search`` runs it: default confidence, default sampler."""
    space = known.space

    class Lookup:
        def evaluate(self, workload: Workload, **_: Any) -> Accuracy:
            return Accuracy(known.accuracies[str(workload.params["architecture"])] / 100)

    def measure(architectures: Sequence[Architecture]) -> list[float]:
        return [known.latencies_ms[space.compact(architecture)] / 1e3 for architecture in architectures]

    latency = LearnedLatency(space, measure, budget=MOST_MEASURED, seed=seed)
    limits = [Limit(latency, limit_ms / 1e3)]
    result = run_search(space, Lookup(), limits=limits, sampler=OURS, trials=evaluations, seed=seed)
    evaluated = [trial.text for trial in result.trials if trial.evaluated]
    return Run(evaluated, len(latency.measured), len(result.trials) - len(evaluated))


def random_search(known: Table, limit_ms: float, seed: int, evaluations: int) -> Run:
    """Networks within the limit, drawn without repetition."""
    within = [text for text, ms in known.latencies_ms.items() if ms <= limit_ms]
    chosen = np.random.default_rng(seed).choice(len(within), evaluations, replace=False)
    return Run([within[place] for place in chosen])


def evolution(known: Table, limit_ms: float, seed: int, evaluations: int) -> Run:
    """Regularized evolution; children beyond the limit are drawn again.

    Source: E. Real et al., Regularized Evolution for Image Classifier Architecture Search, AAAI 2019,
    arXiv:1802.01548, algorithm 1; population and tournament scaled to a hundred evaluations.
    """
    rng = np.random.default_rng(seed)
    codes, space = Codes(known.space), known.space

    def text(row: np.ndarray) -> str:
        return space.compact(codes.decode(row))

    def within(new: Callable[[], np.ndarray]) -> np.ndarray:
        while True:
            row = new()
            if known.latencies_ms[text(row)] <= limit_ms:
                return row

    population: list[tuple[float, np.ndarray]] = []
    evaluated: list[str] = []
    for count in range(evaluations):
        if count < _POPULATION:
            row = within(lambda: rng.integers(0, codes.options))
        else:
            entrants = rng.choice(len(population), _TOURNAMENT, replace=False)
            parent = max((population[e] for e in entrants), key=lambda pair: pair[0])[1]
            row = within(lambda parent=parent: _mutated(parent, codes.options, rng))
        evaluated.append(text(row))
        population.append((known.accuracies[evaluated[-1]], row))
        population = population[-_POPULATION:]
    return Run(evaluated)


def _mutated(row: np.ndarray, options: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    child = row.copy()
    place = rng.integers(len(row))
    child[place] = (child[place] + rng.integers(1, options[place])) % options[place]
    return child


def optuna_search(sampler: str, known: Table, limit_ms: float, seed: int, evaluations: int) -> Run:
    """A sampler of Optuna by its defaults, the limit a soft constraint: every trial is evaluated."""
    makers = {"tpe": optuna.samplers.TPESampler, "nsga2": optuna.samplers.NSGAIISampler}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=makers[sampler](seed=seed))
    space, evaluated = known.space, []
    for _ in range(evaluations):
        trial = study.ask(distributions(space))
        text = space.compact(architecture_of(space, trial.params))
        trial.set_constraint("latency", known.latencies_ms[text] - limit_ms)
        study.tell(trial, known.accuracies[text])
        evaluated.append(text)
    return Run(evaluated)


SEARCHES: dict[str, Callable[[Table, float, int, int], Run]] = {
    OURS: hwnas_search,
    "random": random_search,
    "regularized evolution": evolution,
    "Optuna TPE, soft": lambda *a: optuna_search("tpe", *a),
    "Optuna NSGA-II, soft": lambda *a: optuna_search("nsga2", *a),
}


def _one(task: tuple[str, str, float, int]) -> dict[str, Any]:
    name, device, limit_ms, seed = task
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    known = table(device)
    found = SEARCHES[name](known, limit_ms, seed, max(COUNTS))
    within = [known.latencies_ms[text] <= limit_ms for text in found.evaluated]
    accuracies = [
        known.accuracies[text] if ok else 0.0 for text, ok in zip(found.evaluated, within, strict=True)
    ]
    best = np.maximum.accumulate(accuracies)
    return {
        "search": name,
        "limit_ms": limit_ms,
        "seed": seed,
        "regret": {
            count: round(known.best(limit_ms) - float(best[min(count, len(best)) - 1]), 3) for count in COUNTS
        },
        "beyond": 1 - float(np.mean(within)),
        "measured": found.measured,
        "ruled_out": found.ruled_out,
    }


def main(options: Namespace) -> dict[str, Any]:
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    limits = [float(limit) for limit in options.limits.split(",")]
    names = options.only.split(",") if options.only else list(SEARCHES)
    tasks = [(name, options.device, limit, seed) for name in names for limit in limits for seed in seeds]
    runs = []
    # Their matrices are small: threads of several processes would only wait for each other.
    with ProcessPoolExecutor(options.workers, initializer=threadpool_limits, initargs=(1,)) as pool:
        for done, found in enumerate(pool.map(_one, tasks), 1):
            runs.append(found)
            if done % len(seeds) == 0:
                print(_told(_summary(runs[-len(seeds) :])), flush=True)
    rows = [_summary(runs[i : i + len(seeds)]) for i in range(0, len(runs), len(seeds))]
    return {"device": options.device, "seeds": [seeds[0], seeds[-1]], "rows": rows, **_verdicts(rows)}


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean regret of one search at one limit, with its 95 % interval; not rounded in `means`."""
    row: dict[str, Any] = {"search": runs[0]["search"], "limit_ms": runs[0]["limit_ms"], "means": {}}
    for count in COUNTS:
        values = np.array([found["regret"][count] for found in runs])
        row["means"][count] = float(values.mean())
        row[f"regret_{count}"] = round(float(values.mean()), 3)
        row[f"interval_{count}"] = _interval(values)
    row["reached_best"] = round(float(np.mean([found["regret"][max(COUNTS)] == 0 for found in runs])), 2)
    row["evaluations_beyond_percent"] = round(100 * float(np.mean([found["beyond"] for found in runs])), 1)
    measured = [found["measured"] for found in runs if found["measured"] is not None]
    row["most_latencies_measured"] = max(measured) if measured else None
    return row


def _interval(values: np.ndarray) -> list[float] | None:
    """Of the mean, by Student's t over the seeds; None of a single one."""
    if len(values) < 2:
        return None
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return [round(float(values.mean()) + side * half, 3) for side in (-1, 1)]


def _told(row: dict[str, Any]) -> str:
    regrets = ", ".join(f"{row[f'regret_{c}']:.3f}{_brackets(row[f'interval_{c}'])}" for c in COUNTS)
    return (
        f"{row['search']:22s} {row['limit_ms']:5.1f} ms: regret {regrets}; best in {row['reached_best']:.0%}; "
        f"{row['evaluations_beyond_percent']} % beyond; latencies measured {row['most_latencies_measured']}"
    )


def _brackets(interval: list[float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"


def _verdicts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    ours = {row["limit_ms"]: row for row in rows if row["search"] == OURS}
    bars = {
        # But for what adding up decimals is off by.
        f"{limit} ms after {count}": ours[limit]["means"][count] <= most + 1e-9
        for limit, bar in BARS.items()
        if limit in ours
        for count, most in bar.items()
    }
    ahead = {
        f"{row['limit_ms']} ms after {count}, {row['search']}": ours[row["limit_ms"]]["means"][count]
        < row["means"][count]
        for row in rows
        if row["search"] != OURS and row["limit_ms"] in ours
        for count in COUNTS
    }
    few = all(row["most_latencies_measured"] <= MOST_MEASURED for row in ours.values())
    return {
        "bars": bars,
        "ahead": ahead,
        "at_most_20_measured": few,
        "passed": bool(ours) and few and all(bars.values()) and all(ahead.values()),
    }


if __name__ == "__main__":
    run(
        main,
        ("--device", {"default": "gold_6226", "help": "gold_6226 or silver_4210r"}),
        ("--limits", {"default": "7.8,9.6,11.6", "help": "latency limits [ms]"}),
        ("--seeds", {"type": int, "default": 30, "help": "how many"}),
        (
            "--first-seed",
            {"type": int, "default": 0, "help": "those below 1000 are kept for reports"},
        ),
        ("--only", {"default": "", "help": "searches by name, separated by commas"}),
        ("--workers", {"type": int, "default": 1, "help": "processes"}),
    )
