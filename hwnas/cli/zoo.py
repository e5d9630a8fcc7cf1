"""`hwnas zoo`: the networks that can be measured by a short name."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwnas.core.units import format_count
from hwnas.workloads.catalogue import NETWORKS, ZooNetwork

if TYPE_CHECKING:
    from hwnas.workloads.counting import Counts

#: Published numbers have as few as two digits; further apart than this, another network was built.
_LARGEST_DIFFERENCE = 0.005


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with exact numbers.")
def zoo(as_json: bool) -> None:
    """List the networks of the study, by the names that hwnas measure --model zoo:NAME takes.

    Parameters and multiply-adds are counted on the networks as they are built here; published are
    the parameters that the paper or the library states. Nothing is downloaded.
    """
    live = Console(stderr=True)
    watched = live.is_terminal
    with live.status("Counting") if watched else nullcontext():
        counted = [(network, network.count()) for network in NETWORKS.values()]
    if as_json:
        click.echo(json.dumps([_record(network, counts) for network, counts in counted], indent=2))
        return
    console = Console(highlight=False)
    console.print(_table(counted))
    notes = Table.grid(padding=(0, 2))
    for network, _ in counted:
        if _note(network):
            notes.add_row(Text(network.name), Text(_note(network)))
    console.print()
    console.print(notes)


def _agrees(network: ZooNetwork, counts: Counts) -> bool:
    """Whether the network that was built is the one that was published, as far as parameters tell."""
    return abs(counts.parameters - network.parameters) <= _LARGEST_DIFFERENCE * network.parameters


def _record(network: ZooNetwork, counts: Counts) -> dict[str, Any]:
    workload = network.workload()
    return {
        "name": network.name,
        "model": f"zoo:{network.name}",
        "kind": workload.kind,
        "kind_name": workload.name,
        "key": workload.key,
        "input_shape": list(workload.input_shape),
        "parameters": counts.parameters,
        "published_parameters": network.parameters,
        "published_in": network.published,
        "agree": _agrees(network, counts),
        "macs": counts.macs,
        "uncounted": dict(counts.uncounted),
        "paper": network.paper,
        "group": network.group or None,
        "note": network.note or None,
    }


def _table(counted: list[tuple[ZooNetwork, Counts]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("zoo:", no_wrap=True)
    table.add_column("from", no_wrap=True)
    table.add_column("input", justify="right", no_wrap=True)
    table.add_column("counted", justify="right", no_wrap=True)
    table.add_column("published", justify="right", no_wrap=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    table.add_column("paper", no_wrap=True)
    for network, counts in counted:
        published = format_count(network.parameters)
        table.add_row(
            network.name,
            "hwnas" if network.kind == "zoo" else network.kind,
            f"{network.image}x{network.image}",
            format_count(counts.parameters),
            Text(published) if _agrees(network, counts) else Text(f"{published} (another)", style="bold red"),
            format_count(counts.macs),
            _authors(network),
        )
    return table


def _authors(network: ZooNetwork) -> str:
    """Short enough for 80 columns; --json and the documentation give the whole citation."""
    return network.paper.partition(",")[0].replace(" et al.", "")


def _note(network: ZooNetwork) -> str:
    there = "" if network.model == network.name else f"{network.kind}:{network.model}."
    return f"{there} {network.note}".strip()
