"""`hwnas measure`: run an experiment or measure models, and keep what comes out."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

import click
from rich.console import Console

from hwnas.cli.measured import print_campaign, print_outcome, print_plan
from hwnas.cli.options import db_option, given, refuse_empty
from hwnas.cli.progress import watcher_for
from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.core.measurement import Status
from hwnas.core.resources import data_folder
from hwnas.core.units import parse_seconds
from hwnas.host.canary import multiply_adds_per_s
from hwnas.host.cpus import usable_threads
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.counting import CHOICES, Counting
from hwnas.measuring.events import TimedWatcher, Watcher
from hwnas.measuring.experiment import Experiment, adjusted, experiment_of_models
from hwnas.measuring.experiment_file import load_experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.study import STUDY, Study
from hwnas.store import LatencyStore
from hwnas.store.command_line import told_arguments
from hwnas.store.location import resolve
from hwnas.workloads.cost import WorkloadCost

#: Of a number of threads.
_MOST_DIGITS = 9


@click.command()
@click.argument("experiment", default="quick", required=False)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="zoo:NAME, torchvision:NAME, timm:NAME, space:NAME:ARCHITECTURE, package.module:factory, FILE.onnx or "
    "FILE.xml, instead of an experiment. May be given several times.",
)
@click.option("--input", "input_shape", metavar="SHAPE", help="Input of the models, such as 1x3x224x224.")
@click.option("--batch", type=click.IntRange(min=1), help="Batch size, instead of the file's.")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="ID",
    help="Backend, instead of the file's; the first is the baseline. `hwnas devices` lists them. May be given "
    "several times.",
)
@click.option("--threads", metavar="N|all", help="Threads of every backend.  [default: the file's, else 1]")
@click.option("--passes", type=click.IntRange(min=1), help="Exactly so many passes, each by fresh processes.")
@click.option(
    "--budget",
    metavar="TIME",
    help="Time for one backend in one pass of one cell, such as 4s (a slow network takes longer); with --all, "
    "for everything: 2h.",
)
@click.option(
    "--cache-misses",
    type=click.Choice(CHOICES),
    help="Source of last-level-cache misses.  [default: the file's, else auto: the processor's counters "
    "where it has them, and the model]",
)
@click.option(
    "--cache",
    "caches",
    multiple=True,
    metavar="GEOMETRY",
    help="Cache to simulate: SIZE,WAYS,LINE such as 4M,16,64, or host, paper, i5-7600k. May be given several "
    "times.  [default: the file's, else host]",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="The whole study: all experiments but quick. With --budget, so much of it as fits into that time.",
)
@click.option("--fresh", is_flag=True, help="Measure everything again instead of resuming.")
@click.option("--retry-failed", is_flag=True, help="Try again what failed, was refused or skipped before.")
@click.option(
    "--dry-run", is_flag=True, help="Print the plan with its expected time and memory; measure nothing."
)
@click.option("--list", "list_only", is_flag=True, help="List the experiments that ship with hwnas.")
@db_option
def measure(
    experiment: str,
    models: tuple[str, ...],
    input_shape: str | None,
    batch: int | None,
    backends: tuple[str, ...],
    threads: str | None,
    passes: int | None,
    budget: str | None,
    cache_misses: str | None,
    caches: tuple[str, ...],
    everything: bool,
    fresh: bool,
    retry_failed: bool,
    dry_run: bool,
    list_only: bool,
    db: str | None,
) -> None:
    """Measure EXPERIMENT: the name of a shipped one (`hwnas measure --list`) or a YAML file.

    What is finished is kept; run the same command again to resume.
    """
    refuse_empty()
    # Titles, paths and names of models are not ours: brackets and colons in them mean nothing.
    console = Console(markup=False, emoji=False, highlight=False)
    if list_only:
        _list_experiments(console)
        return
    seconds = None if budget is None else parse_seconds(budget)
    if not dry_run:
        resolve(db)  # before planning, which takes a while: a place that cannot be written to is told at once
    # Even making a plan computes enough to disturb somebody else's measurement; a dry run is a few seconds.
    with nullcontext() if dry_run else measuring_lock(" ".join(["hwnas", *told_arguments(sys.argv[1:])])):
        if everything:
            _refuse_with_all(models, input_shape)
            named = [(load_experiment(name), threads or own, batch) for name, own in STUDY]
        else:
            base, batch = _base(experiment, models, input_shape, batch)
            named = [(base, threads, batch)]
        chosen = [
            adjusted(
                base,
                backends=backends,
                threads=_thread_count(count),
                passes=passes,
                budget_s=None if everything else seconds,
                batch=own_batch,
                cache_misses=cache_misses,
                caches=caches,
            )
            for base, count, own_batch in named
        ]
        plans = _plans(chosen)
        environment = probe_environment()
        # A cache that is none, or a source that is missing here, is told before anything is touched.
        counting = [plan.experiment.cache_misses.on(environment) for plan in plans]
        if dry_run:
            for plan, counts in zip(plans, counting, strict=True):
                print_plan(plan, counts, console)
            return
        with LatencyStore.open(db) as store:
            if retry_failed and not fresh:
                for plan, counts in zip(plans, counting, strict=True):
                    _forget_failures(plan.experiment, counts, store, environment)
            ok = _run(plans, store, environment, console, fresh=fresh, budget_s=seconds if everything else None)
    if not ok:
        sys.exit(1)


def _refuse_with_all(models: tuple[str, ...], input_shape: str | None) -> None:
    if models or input_shape is not None or given("experiment"):
        raise UsageError("--all measures the whole study", "Leave out EXPERIMENT, --model and --input")


def _plans(experiments: Sequence[Experiment]) -> list[Plan]:
    """A plan for each, but one for those that are the same: all threads may be one thread."""
    speed = multiply_adds_per_s()
    costs: dict[str, WorkloadCost] = {}
    found: list[Plan] = []
    for experiment in experiments:
        if all(experiment.spec() != plan.experiment.spec() for plan in found):
            found.append(Plan.of(experiment, costs, speed))
            costs |= found[-1].costs
    return found


def _forget_failures(
    experiment: Experiment, counting: Counting, store: LatencyStore, environment: Environment
) -> None:
    """Take back what did not succeed, so that it counts as never tried."""
    record = store.campaign(experiment.name, experiment.spec(), environment)
    cells = itertools.product(experiment.workloads, experiment.backends)
    counts = {kind for workload, backend_id in cells for kind in counting.wanted(workload, backend_id)}
    store.retry(record.uid, [Status.FAILED, Status.REFUSED, Status.SKIPPED], counts)


def _run(
    plans: Sequence[Plan],
    store: LatencyStore,
    environment: Environment,
    console: Console,
    *,
    fresh: bool,
    budget_s: float | None,
) -> int:
    """Measure and report; how many cells of the campaigns are ok."""
    try:
        with watcher_for(console) as watcher:
            watchers = _watchers(watcher, plans, budget_s)
            campaigns = [
                Campaign(plan, store, environment, own) for plan, own in zip(plans, watchers, strict=True)
            ]
            outcomes = Study(campaigns, store, budget_s).run(fresh=fresh)
    except KeyboardInterrupt:
        again = "the same command without --fresh" if fresh else "the same command"
        console.print(
            f"Stopped. What is finished is kept in {store.location}; run {again} to resume.",
            soft_wrap=True,
        )
        raise
    ok = 0
    for plan, outcome in zip(plans, outcomes, strict=True):
        # Of the whole campaign: what this run did not touch counts as well.
        counts = {s: store.count(campaign_uid=outcome.campaign_uid, status=str(s)) for s in Status}
        print_outcome(plan, outcome, counts, store, console, fresh=fresh)
        ok += counts[Status.OK]
    if len(plans) == 1:
        print_campaign(plans[0].experiment.backends[0], outcomes[0].campaign_uid, environment, store, console)
    console.print("Figures and more: hwnas report")
    return ok


def _watchers(watcher: Watcher, plans: Sequence[Plan], budget_s: float | None) -> list[Watcher]:
    """One for each plan: what ends several plans is their budget, so they tell what is left of it."""
    if budget_s is None:
        return [watcher] * len(plans)
    start = time.monotonic()

    def elsewhere(plan: Plan) -> int:
        return sum(other.done for other in plans) - plan.done

    return [TimedWatcher(watcher, start, budget_s, partial(elsewhere, plan)) for plan in plans]


def _base(
    name: str, models: tuple[str, ...], input_shape: str | None, batch: int | None
) -> tuple[Experiment, int | None]:
    """The experiment that was named, and the batch that is still to be set in it."""
    if models:
        if given("experiment"):
            raise UsageError(f"both the experiment {name!r} and --model were given", "Give one of them")
        return experiment_of_models(models, input_shape, batch), None
    if input_shape is not None:
        raise UsageError("--input goes with --model", "An experiment's file states its own input")
    return load_experiment(name), batch


def _thread_count(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "all":
        return usable_threads()
    # Python reads no number of thousands of digits.
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < 1:
        raise UsageError(
            f"--threads {text[:20]!r} is not a number of threads", "Give a positive number or 'all'"
        )
    return int(text)


def _list_experiments(console: Console) -> None:
    for path in sorted(data_folder("experiments").glob("*.yaml")):
        found = load_experiment(path.stem)
        cells = len(found.workloads) * len(found.backends) * found.settings.passes
        console.print(f"{path.stem:12} {found.title} ({cells} cells)", soft_wrap=True)
