"""`hwnas fit`: learn a latency predictor from the database."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.status import Status
from rich.table import Table

from hwnas.backends.registry import BACKENDS
from hwnas.cli.options import environment_option, given, readable_db_option, refuse_empty
from hwnas.cli.progress import watcher_for
from hwnas.core.environment import Environment
from hwnas.core.errors import BackendUnavailable, UsageError
from hwnas.core.measurement import Status as CellStatus
from hwnas.core.units import parse_seconds
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.experiment import check_threads
from hwnas.predicting.fitting import DEFAULT_TREES, Accuracy, Fitted, fit_predictor
from hwnas.predicting.listing import listing_backend
from hwnas.predicting.locating import own_folder
from hwnas.predicting.measuring_more import measure_more
from hwnas.predicting.training_set import FEWEST_NETWORKS, TrainingSet, read_training_set
from hwnas.store import LatencyStore

#: Backends that --measure measures where none is named.
_MEASURED = ("torch:cpu:fp32", "openvino:cpu:fp32")


@click.command()
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="ID",
    help="Backends to learn; may be given several times.  [default: every measured one]",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the backend."
)
@click.option(
    "--out",
    metavar="DIR",
    help="Folder for the predictor of one backend.  [default: where hwnas predict looks for this host's]",
)
@click.option(
    "--measure",
    "budget",
    metavar="TIME",
    help="First measure, for so long, networks that it would learn most from: 30m. The same command goes on.",
)
@click.option(
    "--trees",
    type=click.IntRange(1, 1000),
    default=DEFAULT_TREES,
    show_default=True,
    help="Trees in each forest: fewer make a smaller predictor, that is read sooner and a little less exact.",
)
@click.option(
    "--from",
    "source",
    metavar="DIR",
    help="Adapt the predictor of another host in this folder, with --samples measurements of this one.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help="Networks to measure for --from; which ones is chosen by where their time goes.  [default: 20]",
)
@readable_db_option
@environment_option
def fit(
    backends: tuple[str, ...],
    threads: int,
    out: str | None,
    budget: str | None,
    trees: int,
    source: str | None,
    samples: int | None,
    db: str | None,
    environment: str | None,
) -> None:
    """Learn a latency predictor from measured networks and their kernels.

    Its errors are those on families of networks that it has not seen.
    """
    refuse_empty()
    console = Console(markup=False, emoji=False, highlight=False)
    if samples is not None and source is None:
        raise UsageError("--samples goes with --from", "Name the predictor to adapt with --from DIR")
    if source is not None:
        if backends or budget or environment or given("threads") or given("trees"):
            raise UsageError(
                "--from takes backend, threads and trees from the predictor, and measures this host",
                "Leave out --backend, --threads, --measure, --trees and --environment",
            )
        from hwnas.cli.adapted import fit_from

        fit_from(Path(source), samples or 20, Path(out) if out else None, db, console)
        return
    if budget is not None:
        if environment:
            raise UsageError("--measure measures this host", "Leave out --environment")
        names = tuple(dict.fromkeys(BACKENDS.resolve(b) for b in backends or _MEASURED))
        if out and len(names) > 1:
            raise UsageError(
                "--out is for one backend, and several would be learned", "Name one with --backend"
            )
        _measure_more(names, threads, parse_seconds(budget), db, console)
    with LatencyStore.open(db, create=False) as store:
        fingerprint = (
            store.find_environment(environment)
            if environment
            else store.sole_environment(probe_environment().fingerprint)
        )
        made_for = next(e for e, _ in store.environments() if e.fingerprint == fingerprint)
        sets = _training_sets(store, fingerprint, backends, threads, console)
    if out and len(sets) > 1:
        raise UsageError(
            f"--out is for one backend, and {len(sets)} would be learned", "Name one with --backend"
        )
    table = _table()
    for training in sets:
        with console.status(f"{training.backend}: reading") as status:
            told = partial(_tell, status, training.backend)
            fitted = fit_predictor(training, made_for, trees=trees, told=told)
        folder = Path(out) if out else own_folder(made_for, training.backend, training.threads)
        fitted.predictor.save(folder)
        _add_row(table, training, fitted)
        console.print(f"{training.backend}: kept in {folder}", soft_wrap=True)
    console.print(table)
    for training in sets:
        if len({n.family for n in training.networks}) == 1:
            console.print(
                f"{training.backend}: all networks are of one family, and each was predicted without itself: "
                "how well other designs are predicted is not known",
                soft_wrap=True,
            )
    console.print(_host(made_for), soft_wrap=True)


def _measure_more(
    names: tuple[str, ...], threads: int, budget_s: float, db: str | None, console: Console
) -> None:
    """Fill the database with what a predictor needs."""
    check_threads(threads)
    with measuring_lock("hwnas fit --measure"), LatencyStore.open(db) as store:
        try:
            with watcher_for(console) as watcher:
                cells = measure_more(
                    store, probe_environment(), names, threads, budget_s, watcher, told=watcher.doing
                )
        except KeyboardInterrupt:
            console.print(
                f"Stopped. What was measured is kept in {store.location}; the same command goes on.",
                soft_wrap=True,
            )
            raise
        console.print(f"Measured {cells} cells more. Kept in {store.location}", soft_wrap=True)


def _training_sets(
    store: LatencyStore, fingerprint: str, backends: tuple[str, ...], threads: int, console: Console
) -> list[TrainingSet]:
    if backends:
        names = dict.fromkeys(BACKENDS.resolve(b) for b in backends)
        for name in names:
            listing_backend(name)
        return [read_training_set(store, fingerprint, name, threads) for name in names]
    measured = store.values("backend", environment=fingerprint, threads=threads, status=str(CellStatus.OK))
    found, left_out = [], []
    for name in measured:
        try:
            listing_backend(name)
            found.append(read_training_set(store, fingerprint, name, threads))
        except (BackendUnavailable, UsageError) as error:
            # Nobody has asked for it by name: too few networks, or it cannot list kernels.
            left_out.append(f"{name} is left out: {error.message}")
    if not found:
        raise UsageError(
            f"{store.location} has no backend with {FEWEST_NETWORKS} networks and their kernels' times at "
            f"{threads} thread(s)",
            f"Measure first: hwnas measure --threads {threads}",
        )
    for text in left_out:
        console.print(text, soft_wrap=True)
    return found


def _tell(status: Status, backend: str, text: str) -> None:
    status.update(f"{backend}: {text}")


def _table() -> Table:
    table = Table(title="On families of networks left out", title_justify="left")
    for heading in ("backend", "networks", "kernels", "within 10 %", "RMSPE", "MAPE", "90 % intervals hold"):
        table.add_column(heading, justify="left" if heading == "backend" else "right")
    return table


def _add_row(table: Table, training: TrainingSet, fitted: Fitted) -> None:
    # Chains of layers are there to learn from: nobody wants to know how well they are predicted.
    networks = [o for o in fitted.left_out if o.workload.kind != "layers"]
    a = Accuracy.of(networks or fitted.left_out)
    table.add_row(
        training.backend,
        str(a.networks),
        str(len(fitted.predictor.kernel_model.table)),
        f"{a.within_10:.0%}",
        f"{a.rmspe:.1%}",
        f"{a.mape:.1%}",
        f"{a.coverage:.0%}",
    )


def _host(environment: Environment) -> str:
    return f"For {environment.cpu_model}, environment {environment.fingerprint}"
