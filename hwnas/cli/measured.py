"""What `hwnas measure` says of a plan before, and of its outcome after."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from hwnas.backends.registry import backend
from hwnas.core.environment import Environment
from hwnas.core.measurement import Status
from hwnas.core.units import format_bytes, format_count, format_duration, format_seconds
from hwnas.host.counters import callgrind_source
from hwnas.measuring.campaign import Outcome
from hwnas.measuring.counting import Counting
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.store import LatencyStore


def print_plan(plan: Plan, counting: Counting, console: Console) -> None:
    """The networks with their expected time and memory."""
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
            f"about {format_seconds(cost.inference_s)}",
            f"about {format_bytes(cost.memory_bytes)}",
        )
    console.print(table)
    settings = experiment.settings
    console.print(
        f"{len(experiment.workloads)} workloads x {len(experiment.backends)} backends "
        f"({', '.join(experiment.backends)}) x {settings.passes} passes = {plan.total} cells, "
        f"{experiment.threads} thread(s), {settings.budget_s:g} s timed per cell (longer where an inference "
        f"takes over {format_seconds(settings.budget_s / settings.min_rounds)}); "
        f"{_what_is_open(settings)} get up to {settings.max_passes} passes.",
        soft_wrap=True,
    )
    here = list(experiment.backends)
    for backend_id in experiment.backends:
        found = backend(backend_id).availability()
        if not found.available:
            plan.expect_skipped(backend_id)
            here.remove(backend_id)
            console.print(f"{backend_id} will be skipped: {found.detail}", soft_wrap=True)
    simulations = sum(
        source == "callgrind" for w in experiment.workloads for b in here for source, _ in counting.wanted(w, b)
    )
    if simulations and callgrind_source().available:
        console.print(
            f"{simulations} simulations of cache misses come on top, each of a minute or more.", soft_wrap=True
        )
    peak = max(plan.cost(w).memory_bytes for w in experiment.workloads) * len(here)
    console.print(
        f"Expected: about {format_duration(plan.remaining_s())} for {settings.passes} passes, up to "
        f"{format_bytes(peak)} of memory. "
        "Rough guesses: progress corrects the time once cells are finished.",
        soft_wrap=True,
    )


def _what_is_open(settings: Settings) -> str:
    wanted = settings.latency_half_width
    return "open verdicts" + (f" and latencies that are not within {wanted:.1%}" if wanted else "")


def print_outcome(
    plan: Plan,
    outcome: Outcome,
    counts: Mapping[Status, int],
    store: LatencyStore,
    console: Console,
    *,
    fresh: bool = False,
) -> None:
    """What this run did.

    Args:
        plan: What was to be done.
        outcome: What was done.
        counts: Status -> cells of the whole campaign.
        store: Where they are.
        console: Where to print.
        fresh: Whether a new generation was begun.
    """
    again = "the same command without --fresh" if fresh else "the same command"
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
    if outcome.counts_left:
        plural = "s" if outcome.counts_left > 1 else ""
        console.print(
            f"{outcome.counts_left} simulation{plural} of cache misses did not fit into the budget; "
            f"{again} goes on with them",
            soft_wrap=True,
        )
    if not outcome.counts and not plan.remaining:
        not_ok = sum(counts.values()) > counts[Status.OK]
        retry = "--retry-failed tries again what is not ok; " if not_ok else ""
        console.print(
            f"All {sum(counts.values())} cells of '{plan.experiment.name}' are in {store.location} already: "
            f"{_listed(counts)}. {retry}--fresh measures everything again.",
            soft_wrap=True,
        )
        return
    if plan.remaining:
        console.print(
            f"The budget ended before {plan.remaining} of the {plan.total} cells of '{plan.experiment.name}'; "
            f"{again} goes on.",
            soft_wrap=True,
        )
    if not outcome.counts:
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


def print_campaign(
    baseline: str, campaign_uid: str, environment: Environment, store: LatencyStore, console: Console
) -> None:
    """The table of one campaign."""
    from hwnas.report.cells import select_cells
    from hwnas.report.table import print_report

    print_report(
        console, select_cells(store, environment.fingerprint, campaign=campaign_uid, baseline=baseline)
    )
