"""`hwnas space`: search spaces, what they choose from, and architectures out of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import click
from rich.console import Console
from rich.table import Table

from hwnas.core.units import format_count
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Part, Space
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_model, space_workload

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def space() -> None:
    """Show search spaces, count their architectures, and draw some at random.

    A space is shipped (patterns, mbconv, darts, nasbench201) or a YAML file of your own.
    """


def _name_argument(command: Command) -> Command:
    return click.argument("name", metavar="NAME|FILE")(command)


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


@space.command()
@_name_argument
@_json_option
def show(name: str, as_json: bool) -> None:
    """Show a space's choices, its parts and a picture of its networks."""
    found = load_space(name)
    if as_json:
        _print_json({**_facts(found), **_pieces(found)})
        return
    click.echo(f"{found.name}: {found.title}" if found.title else found.name)
    click.echo(f"{found.count()} architectures, kind {found.kind}, digest {found.digest}\n")
    click.echo(found.picture())
    # Names of choices may be those of somebody else: brackets and colons in them mean nothing.
    console = Console(markup=False, emoji=False, highlight=False)
    choices = _table("Choices", "options")
    for choice in found.choices:
        choices.add_row(choice.name, " ".join(choice.texts))
    console.print()
    console.print(choices)
    parts = _table("Parts", "combinations", "of the choices")
    for first, *more in _alike(found).values():
        name = f"{first.name} and {len(more)} more" if more else first.name
        parts.add_row(name, str(found.combination_count(first)), ", ".join(first.choices))
    console.print()
    console.print(parts)


@space.command()
@_name_argument
@click.option("-n", "number", type=click.IntRange(min=1), default=5, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random numbers.")
@_json_option
def sample(name: str, number: int, seed: int, as_json: bool) -> None:
    """Draw architectures at random, and count their parameters and multiply-adds.

    Every option of a choice is equally likely. What is printed behind space: names the network,
    for example in hwnas measure --model.
    """
    found = load_space(name)
    rng = random.Random(seed)
    # One by one: counting takes a while where there are many.
    records = (_record(found, found.sample(rng)) for _ in range(number))
    if as_json:
        _print_json({**_facts(found), "seed": seed, "architectures": list(records)})
        return
    for record in records:
        parameters, macs = (format_count(record[key]) for key in ("parameters", "macs"))
        click.echo(f"{parameters:>7} parameters  {macs:>7} MACs  {record['model']}")


@space.command()
@_name_argument
@_json_option
def count(name: str, as_json: bool) -> None:
    """Count a space's architectures, exactly; those with the same network count once."""
    found = load_space(name)
    if as_json:
        _print_json(_facts(found))
    else:
        click.echo(found.count())


def _facts(found: Space) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "kind": found.kind,
        "digest": found.digest,
        "input_shape": list(found.input_shape),
        "classes": found.classes,
        "count": found.count(),
    }


def _pieces(found: Space) -> dict[str, Any]:
    return {
        "choices": [{"name": choice.name, "options": list(choice.options)} for choice in found.choices],
        "parts": [
            {"name": p.name, "choices": list(p.choices), "combinations": found.combination_count(p)}
            for p in found.parts()
        ],
    }


def _record(found: Space, architecture: Architecture) -> dict[str, Any]:
    # Counting needs torch, which takes seconds to import.
    from hwnas.workloads.spaces.build import architecture_counts

    workload = space_workload(found, architecture)
    counts = architecture_counts(found, architecture)
    return {
        "model": space_model(workload),
        "architecture": dict(architecture),
        "compact": found.compact(architecture),
        "key": workload.key,
        "parameters": counts.parameters,
        "macs": counts.macs,
        "uncounted": dict(counts.uncounted),
    }


def _alike(found: Space) -> Mapping[tuple[str, ...], list[Part]]:
    """Parts by what they depend on: the cells of a network differ in nothing else."""
    groups: dict[tuple[str, ...], list[Part]] = {}
    for part in found.parts():
        groups.setdefault(part.choices, []).append(part)
    return groups


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if heading == "combinations" else "left"
        table.add_column(heading, justify=justify, no_wrap=index == 0)
    return table


def _print_json(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
