"""`hwnas report`: what was measured, as a table, as figures, as files and as one page."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hwnas.cli.options import filter_options, filters, given, readable_db_option, refuse_empty
from hwnas.core.errors import UsageError
from hwnas.host.machine import probe_environment
from hwnas.report.cells import Cells, Selection
from hwnas.report.reading import DEFAULT_BASELINE, Reading, read_passes
from hwnas.report.records import records, write_csv
from hwnas.report.saving import SavingProcesses, saving_processes
from hwnas.report.table import print_report
from hwnas.store import LatencyStore

#: Fewer are estimated and drawn before processes that save figures were ready.
_MANY_CELLS = 100


@click.command()
@readable_db_option
@filter_options
@click.option(
    "--campaign",
    "--experiment",
    metavar="NAME",
    help="Only this campaign, such as quick, depth or width; or one generation of it by its uid.",
)
@click.option(
    "--baseline",
    metavar="ID",
    help=f"Backend that speedups refer to. [default: {DEFAULT_BASELINE}, else the campaign's first]",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with every number in SI units.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False), help="Write the cells to this file.")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    default="report",
    show_default=True,
    help="Folder for the figures and the page.",
)
@click.option(
    "--figures/--no-figures",
    default=None,
    help="Draw the figures and write the page. [default: yes, but not with --json]",
)
def report(
    db: str | None,
    campaign: str | None,
    baseline: str | None,
    as_json: bool,
    csv_file: str | None,
    out: str,
    figures: bool | None,
    **options: Any,
) -> None:
    """Show latencies, speedups and verdicts; draw the figures, and write one page of everything.

    Measurements of one environment only: this host's where there are any, else the only one of
    the database. The page, index.html, needs neither a network nor the files beside it.
    """
    refuse_empty()
    wanted = bool(figures or (figures is None and not as_json))
    if given("out") and not wanted:
        raise UsageError(
            "--out is the folder of the figures and the page, and there will be none",
            "Leave --out out, or ask for them with --figures",
        )
    with _uncollected(), ExitStack() as stack:
        with _busy("Reading"):
            reading, shown = _read(db, campaign, baseline, options)
        processes = saving_processes() if wanted and len(reading.passes) >= _MANY_CELLS else None
        if processes is not None:
            stack.callback(processes.close)
        with _busy("Estimating"):
            cells = Cells(reading)
            selection = cells.select(**shown)
        if as_json:
            click.echo(json.dumps(records(selection), indent=2, ensure_ascii=False))
        else:
            print_report(Console(highlight=False), selection)
        written = [write_csv(Path(csv_file), records(selection))] if csv_file else []
        drawn = _draw(cells, selection, Path(out), processes) if wanted else []
    written += drawn
    for path in written:
        # With --json, stdout is the array and nothing else.
        click.echo(f"Wrote {path}", err=as_json)
    if drawn:
        click.echo(f"Open {drawn[-1]}", err=as_json)


def _read(
    db: str | None, campaign: str | None, baseline: str | None, options: dict[str, Any]
) -> tuple[Reading, dict[str, Any]]:
    """What the options admit, and what to show of it: a baseline may be there only to be compared with."""
    with LatencyStore.open(db, create=False) as store:
        chosen: dict[str, Any] = {**filters(store, **options)}
        environment = chosen.pop("environment", None)
        if environment is None:
            environment = store.sole_environment(probe_environment().fingerprint)
        arm = filters(store, backend=baseline)["backend"] if baseline else None
        # A cell is compared with its baseline whatever became of that one.
        status = chosen.pop("status", None)
        reading = read_passes(store, environment, campaign=campaign, baseline=arm, **chosen)
    return reading, {"backend": chosen.get("backend"), "status": status}


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: of a hundred thousand kernels none is garbage, however often it looks; and
    figures, which are, come and go with the process."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _draw(cells: Cells, selection: Selection, folder: Path, processes: SavingProcesses | None) -> list[Path]:
    # matplotlib takes a moment, which a table need not wait for.
    from hwnas.report.claims.evidence import Evidence
    from hwnas.report.html.writing import write_report

    with _busy("Drawing"):
        written = write_report(selection, Evidence(cells.select), folder, processes)
    if not any(path.suffix == ".png" for path in written):
        click.echo(
            "No figure: there is no speedup, and no pattern with a latency at two depths or widths", err=True
        )
    return written


def _busy(what: str) -> Any:
    """A spinner where somebody watches."""
    console = Console(stderr=True)
    return console.status(what) if console.is_terminal else nullcontext()
