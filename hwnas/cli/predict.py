"""`hwnas predict`: the latency of a model, without running it."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from hwnas.backends.registry import BACKENDS
from hwnas.cli.options import given, refuse_empty
from hwnas.core.errors import UsageError
from hwnas.core.units import format_seconds
from hwnas.host.machine import probe_environment
from hwnas.measuring.experiment import model_workload
from hwnas.predicting.listing import listing_backend
from hwnas.predicting.locating import NoPredictor, find_predictor
from hwnas.predicting.prediction import Prediction
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.workloads.models import parse_shape

#: Kernels that --explain shows.
_SHOWN = 15


@click.command()
@click.argument("model")
@click.option(
    "--backend", default="openvino:cpu:fp32", show_default=True, metavar="ID", help="Where it would run."
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the backend."
)
@click.option(
    "--batch", type=click.IntRange(min=1), help="Images in one inference; latencies are of all.  [default: 1]"
)
@click.option("--input", "input_shape", metavar="SHAPE", help="Input of the model, such as 1x3x224x224.")
@click.option(
    "--predictor",
    "folder",
    metavar="DIR",
    help="A predictor that hwnas fit --out wrote.  [default: this host's, else a shipped one]",
)
@click.option(
    "--any-host",
    is_flag=True,
    help="Take a --predictor of another host as it is; what it predicts is that host's latency.",
)
@click.option("--explain", is_flag=True, help="Show the costliest kernels, against the host's limits.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object; with --explain, with every kernel.")
def predict(
    model: str,
    backend: str,
    threads: int,
    batch: int | None,
    input_shape: str | None,
    folder: str | None,
    any_host: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """Predict the latency of MODEL on this host, with a 90 % interval; it is compiled, but not run.

    Where a shipped predictor of a similar host has to answer, it says so, and the interval is that host's.

    MODEL is zoo:NAME, torchvision:NAME, timm:NAME, space:NAME:ARCHITECTURE, package.module:factory, FILE.onnx
    or FILE.xml.
    """
    refuse_empty()
    backend_id = BACKENDS.resolve(backend)
    shape = None if input_shape is None else parse_shape(input_shape)
    workload = model_workload(model, shape, batch, seed=0)
    environment = probe_environment()
    if folder is not None:
        predictor = LatencyPredictor.load(folder, environment=environment, any_host=any_host)
        _agree(predictor, folder, backend=backend_id, threads=threads)
    elif any_host:
        raise UsageError("--any-host goes with --predictor", "Name the predictor with --predictor DIR")
    else:
        try:
            predictor, _ = find_predictor(environment, backend_id, threads)
        except NoPredictor:
            # Of a backend that can have none, it says so.
            listing_backend(backend_id)
            raise
    found = predictor.predict(workload)
    if as_json:
        click.echo(json.dumps(found.record(kernels=explain), indent=2, ensure_ascii=False))
        return
    console = Console(markup=False, emoji=False, highlight=False)
    _print(found, predictor, console)
    if explain:
        console.print(_kernels(found))


def _agree(predictor: LatencyPredictor, folder: str, **asked: str | int) -> None:
    """Refuse a backend or a number of threads that was asked for and is not the predictor's."""
    for option, value in asked.items():
        own = getattr(predictor, option)
        if given(option) and value != own:
            raise UsageError(
                f"the predictor in {folder} is of {option} {own}, and --{option} asks for {value}",
                f"Leave out --{option}, or name another --predictor",
            )


def _print(found: Prediction, predictor: LatencyPredictor, console: Console) -> None:
    interval = f"{format_seconds(found.low_s)} to {format_seconds(found.high_s)}"
    where = "with 90 % confidence" if found.confidence else "on ANOTHER HOST, and there with 90 % confidence"
    console.print(
        f"{found.workload.label} on {found.backend}, {found.threads} thread(s): "
        f"{format_seconds(found.latency_s)}, {where} {interval}",
        soft_wrap=True,
    )
    parts = [
        f"{found.share(s):.0%} {s}" for s in ("measured", "learned", "borrowed") if found.share(s) >= 0.005
    ]
    console.print(
        f"{'In' if found.in_range else 'OUT OF'} range; {', '.join(parts)} of the time, from "
        f"{predictor.networks} networks",
        soft_wrap=True,
    )
    for warning in found.warnings:
        console.print(f"warning: {warning}", soft_wrap=True)


def _kernels(found: Prediction) -> Table:
    table = Table(title="Costliest kernels", title_justify="left")
    for heading in ("kernel", "shapes", "time", "share", "compute limit", "memory limit", "from"):
        table.add_column(heading, justify="left" if heading in ("kernel", "shapes", "from") else "right")
    for k in sorted(found.kernels, key=lambda k: -k.time_s)[:_SHOWN]:
        table.add_row(
            k.type,
            k.shapes,
            format_seconds(k.time_s),
            f"{k.time_s / found.latency_s:.0%}",
            format_seconds(k.compute_s),
            format_seconds(k.memory_s),
            k.source if k.in_range else f"{k.source}, out of range",
        )
    return table
