"""`hwnas measure`: run an experiment or measure models, and keep what comes out."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from contextlib import nullcontext

import click
from rich.console import Console
from rich.table import Table

from hwnas.backends.registry import backend
from hwnas.cli.options import db_option
from hwnas.cli.progress import watcher_for
from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.core.measurement import Status
from hwnas.core.resources import data_folder
from hwnas.core.units import format_bytes, format_count, format_duration, parse_seconds
from hwnas.host.canary import multiply_adds_per_s
from hwnas.host.cpus import usable_threads
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.campaign import Campaign, Outcome
from hwnas.measuring.counting import CHOICES, Counting
from hwnas.measuring.experiment import Experiment, adjusted, experiment_of_models
from hwnas.measuring.experiment_file import load_experiment
from hwnas.measuring.plan import Plan
from hwnas.store import LatencyStore


@click.command()
@click.argument("experiment", default="quick", required=False)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="torchvision:NAME, timm:NAME, package.module:factory, FILE.onnx or FILE.xml, instead of an "
    "experiment. May be given several times.",
)
@click.option("--input", "input_shape", metavar="SHAPE", help="Input of the models, such as 1x3x224x224.")
@click.option("--batch", type=click.IntRange(min=1), help="Batch size, instead of the file's.")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="ID",
    help="Backends, instead of the file's; the first is the baseline. `hwnas devices` lists them.",
)
@click.option("--threads", metavar="N|all", help="Threads of every backend.  [default: the file's, else 1]")
@click.option("--passes", type=click.IntRange(min=1), help="Exactly so many passes, each by fresh processes.")
@click.option(
    "--budget", metavar="TIME", help="Longest time for one backend in one pass of one cell, such as 4s."
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
    fresh: bool,
    retry_failed: bool,
    dry_run: bool,
    list_only: bool,
    db: str | None,
) -> None:
    """Measure EXPERIMENT: the name of a shipped one (`hwnas measure --list`) or a YAML file.

    What is finished is kept; run the same command again to resume.
    """
    # Titles, paths and names of models are not ours: brackets and colons in them mean nothing.
    console = Console(markup=False, emoji=False, highlight=False)
    if list_only:
        _list_experiments(console)
        return
    # Even making a plan computes enough to disturb somebody else's measurement.
    with nullcontext() if dry_run else measuring_lock(" ".join(["hwnas", *sys.argv[1:]])):
        base, batch = _base(experiment, models, input_shape, batch)
        plan = Plan.of(
            adjusted(
                base,
                backends=backends,
                threads=_thread_count(threads),
                passes=passes,
                budget_s=None if budget is None else parse_seconds(budget),
                batch=batch,
                cache_misses=cache_misses,
                caches=caches,
            ),
            macs_per_s=multiply_adds_per_s(),
        )
        environment = probe_environment()
        # A cache that is none, or a source that is missing here, is told before anything is touched.
        counting = plan.experiment.cache_misses.on(environment)
        if dry_run:
            _print_plan(plan, console)
            return
        with LatencyStore.open(db) as store:
            if retry_failed and not fresh:
                _forget_failures(plan.experiment, counting, store, environment)
            ok = _run(plan, store, environment, console, fresh=fresh)
    if not ok:
        sys.exit(1)


def _forget_failures(
    experiment: Experiment, counting: Counting, store: LatencyStore, environment: Environment
) -> None:
    """Take back what did not succeed, so that it counts as never tried."""
    record = store.campaign(experiment.name, experiment.spec(), environment)
    cells = itertools.product(experiment.workloads, experiment.backends)
    counts = {kind for workload, backend_id in cells for kind in counting.wanted(workload, backend_id)}
    store.retry(record.uid, [Status.FAILED, Status.REFUSED, Status.SKIPPED], counts)


def _run(plan: Plan, store: LatencyStore, environment: Environment, console: Console, *, fresh: bool) -> int:
    """Measure and report; how many cells of the campaign are ok."""
    try:
        with watcher_for(console) as watcher:
            outcome = Campaign(plan, store, environment, watcher).run(fresh=fresh)
    except KeyboardInterrupt:
        console.print(
            f"Stopped. What is finished is kept in {store.location}; run the same command to resume.",
            soft_wrap=True,
        )
        raise
    # Of the whole campaign: what this run did not touch counts as well.
    counts = {s: store.count(campaign_uid=outcome.campaign_uid, status=str(s)) for s in Status}
    _print_outcome(plan, outcome, counts, store, console)
    _print_report(plan.experiment.backends[0], outcome.campaign_uid, environment, store, console)
    return counts[Status.OK]


def _base(
    name: str, models: tuple[str, ...], input_shape: str | None, batch: int | None
) -> tuple[Experiment, int | None]:
    """The experiment that was named, and the batch that is still to be set in it."""
    if models:
        if (
            click.get_current_context().get_parameter_source("experiment")
            == click.core.ParameterSource.COMMANDLINE
        ):
            raise UsageError(f"both the experiment {name!r} and --model were given", "Give one of them")
        return experiment_of_models(models, input_shape, batch), None
    if input_shape:
        raise UsageError("--input goes with --model", "An experiment's file states its own input")
    return load_experiment(name), batch


def _thread_count(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "all":
        return usable_threads()
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--threads {text!r} is not a number of threads", "Give a positive number or 'all'")
    return int(text)


def _list_experiments(console: Console) -> None:
    for path in sorted(data_folder("experiments").glob("*.yaml")):
        found = load_experiment(path.stem)
        cells = len(found.workloads) * len(found.backends) * found.settings.passes
        console.print(f"{path.stem:12} {found.title} ({cells} cells)", soft_wrap=True)


def _print_plan(plan: Plan, console: Console) -> None:
    experiment = plan.experiment
    table = Table(title=experiment.title or experiment.name)
    for heading in ("workload", "input", "MACs", "parameters", "per inference", "memory"):
        table.add_column(heading, justify="left" if heading in ("workload", "input") else "right")
    for workload in experiment.workloads:
        counts, cost = plan.costs[workload.key], plan.cost(workload)
        table.add_row(
            workload.label,
            "x".join(map(str, workload.input_shape)),
            format_count(counts.macs) if counts.macs is not None else "not known",
            format_count(counts.parameters) if counts.parameters is not None else "not known",
            f"about {cost.inference_s * 1e3:.3g} ms",
            f"about {format_bytes(cost.memory_bytes)}",
        )
    console.print(table)
    settings = experiment.settings
    console.print(
        f"{len(experiment.workloads)} workloads x {len(experiment.backends)} backends "
        f"({', '.join(experiment.backends)}) x {settings.passes} passes = {plan.total} cells, "
        f"{experiment.threads} thread(s), {settings.budget_s:g} s timed per cell (longer where an inference "
        f"takes over {settings.budget_s / settings.min_rounds:.2g} s); "
        f"open verdicts get up to {settings.max_passes} passes.",
        soft_wrap=True,
    )
    here = list(experiment.backends)
    for backend_id in experiment.backends:
        found = backend(backend_id).availability()
        if not found.available:
            plan.expect_skipped(backend_id)
            here.remove(backend_id)
            console.print(f"{backend_id} will be skipped: {found.detail}", soft_wrap=True)
    peak = max(plan.cost(w).memory_bytes for w in experiment.workloads) * len(here)
    console.print(
        f"Expected: about {format_duration(plan.remaining_s())}, up to {format_bytes(peak)} of memory. "
        "Rough guesses: progress corrects the time once cells are finished.",
        soft_wrap=True,
    )


def _print_outcome(
    plan: Plan, outcome: Outcome, counts: Mapping[Status, int], store: LatencyStore, console: Console
) -> None:
    if outcome.counts_added:
        added = outcome.counts_added
        console.print(
            f"Added {added} cache-miss count{'s' if added > 1 else ''} to {store.location}", soft_wrap=True
        )
    if outcome.counts_missing:
        plural = "s" if outcome.counts_missing > 1 else ""
        console.print(
            f"{outcome.counts_missing} cache-miss count{plural} could not be had; --retry-failed tries again",
            soft_wrap=True,
        )
    if not outcome.counts:
        not_ok = sum(counts.values()) > counts[Status.OK]
        retry = "--retry-failed tries again what is not ok; " if not_ok else ""
        console.print(
            f"All {sum(counts.values())} cells of '{plan.experiment.name}' are in {store.location} already: "
            f"{_listed(counts)}. {retry}--fresh measures everything again.",
            soft_wrap=True,
        )
        return
    resumed = f", {outcome.resumed} from earlier runs" if outcome.resumed else ""
    share = outcome.inference_s / outcome.elapsed_s if outcome.elapsed_s else 0.0
    console.print(
        f"Measured {_listed(outcome.counts)}{resumed} in {format_duration(outcome.elapsed_s)} "
        f"({share:.0%} of it inside inference). Kept in {store.location}",
        soft_wrap=True,
    )


def _listed(counts: Mapping[Status, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in counts.items() if number)


def _print_report(
    baseline: str, campaign_uid: str, environment: Environment, store: LatencyStore, console: Console
) -> None:
    from hwnas.report.cells import select_cells
    from hwnas.report.table import print_report

    print_report(
        console, select_cells(store, environment.fingerprint, campaign=campaign_uid, baseline=baseline)
    )
    console.print("Figures and more: hwnas report")
