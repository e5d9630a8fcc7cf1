"""`hwnas export`: a trained network as files that others can use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from hwnas.cli.options import refuse_empty
from hwnas.core.errors import UsageError
from hwnas.core.units import format_bytes, format_count
from hwnas.workloads.files import SUFFIXES
from hwnas.workloads.models import parse_model, parse_shape

if TYPE_CHECKING:
    from hwnas.exporting.export import Export


@click.command()
@click.argument("model", required=False)
@click.option(
    "--weights", metavar="FILE", help="Its trained weights: a safetensors file of its state dictionary."
)
@click.option("--search", "folder", metavar="DIR", help="A search, in place of MODEL and --weights.")
@click.option("--trial", type=click.IntRange(min=0), help="Trial of the search.  [default: the winner]")
@click.option("--out", required=True, metavar="DIR", help="Folder to write; an earlier export is replaced.")
@click.option("--input", "input_shape", metavar="SHAPE", help="Input of the model, such as 1x3x224x224.")
@click.option("--batch", type=click.IntRange(min=1), help="Batch size.  [default: 1]")
@click.option("--force", is_flag=True, help="Move aside anything else that is at --out; it is kept as DIR.old.")
@click.option("--json", "as_json", is_flag=True, help="Print what architecture.json holds.")
def export(
    model: str | None,
    weights: str | None,
    folder: str | None,
    trial: int | None,
    out: str,
    input_shape: str | None,
    batch: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write MODEL with its trained weights to a folder: architecture, weights, ONNX, OpenVINO IR and Python.

    MODEL is zoo:NAME, torchvision:NAME, timm:NAME, space:NAME:ARCHITECTURE or package.module:factory. Every
    file is run and compared with the network; the folder appears when all of them agree. Of a search, every
    trial that was trained to its end can be written.
    """
    refuse_empty()
    about: dict[str, int] = {}
    if folder is not None:
        if model or weights or input_shape:
            raise UsageError(
                "--search names network, weights and input", "Leave out MODEL, --weights and --input"
            )
        from hwnas.jobs.folder import SearchFolder
        from hwnas.jobs.trained_trial import trained_trial

        found_trial = trained_trial(SearchFolder(Path(folder)), trial)
        model, weights, about = found_trial.model, str(found_trial.weights), found_trial.record
    elif trial is not None:
        raise UsageError("--trial is one of a search", "Name the search with --search DIR")
    if model is None or weights is None:
        raise UsageError(
            "there is no network to export", "Give MODEL and --weights, or --search DIR of hwnas search"
        )
    if model.lower().endswith(SUFFIXES):
        raise UsageError(f"{model} is a model file already", "Name the network that its weights belong to")
    shape = None if input_shape is None else parse_shape(input_shape)
    workload = parse_model(model, input_shape=shape, batch=batch)
    # Names of models and folders are not ours: brackets and colons in them mean nothing.
    console = Console(markup=False, emoji=False, highlight=False)
    status = console.status("") if console.is_terminal and not as_json else nullcontext()
    with status as shown:
        from hwnas.exporting.export import export_network, trained_network
        from hwnas.exporting.place import Place

        Place(Path(out), force)  # told before the network is built
        step: Callable[[str], None] = shown.update if shown else lambda text: None
        network, told = trained_network(workload, weights)
        found = export_network(workload, network, out, force=force, told={**told, **about}, step=step)
    if as_json:
        click.echo(json.dumps(found.record, indent=2, ensure_ascii=False))
    else:
        _print(found, console)


def _print(found: Export, console: Console) -> None:
    record = found.record
    shape = "x".join(map(str, record["input"]["shape"]))
    console.print(
        f"{record['model']}: {format_count(record['parameters'])} parameters, "
        f"{format_count(record['macs'])} MACs, input {shape}",
        soft_wrap=True,
    )
    for name, facts in record["files"].items():
        console.print(
            f"  {name:20} {format_bytes(facts['bytes']):>9}  {_verdict(facts)}".rstrip(), soft_wrap=True
        )
    for doubt in dict.fromkeys(check.doubt for check in found.checks.values() if check.doubt):
        console.print(f"note: {doubt}", soft_wrap=True)
    if found.moved is not None:
        console.print(f"note: what was there is now {found.moved}", soft_wrap=True)
    console.print(f"Written to {found.folder}", soft_wrap=True)


def _verdict(facts: Mapping[str, Any]) -> str:
    check = facts.get("check")
    if check is None:
        return ""
    error = f"{check['error']:.1e} of the largest value, {check['tolerance']:.0e} allowed"
    return f"agrees on {check['runtime']}: {error}"
