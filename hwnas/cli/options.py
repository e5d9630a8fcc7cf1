"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.measurement import Status
from hwnas.workloads.catalogue import find_network
from hwnas.workloads.models import NAMED_KINDS

if TYPE_CHECKING:
    from hwnas.store import Filters, LatencyStore

Command = TypeVar("Command", bound=Callable[..., Any])


def db_option(command: Command) -> Command:
    """`--db`: which latency database; the command gets it as `db`, None for the default."""
    return click.option(
        "--db",
        metavar="PATH|URL",
        help="Latency database: a SQLite file or a postgresql:// URL. "
        "[default: $HWNAS_DB, else latency.sqlite in the user's data folder]",
    )(command)


def environment_option(command: Command) -> Command:
    """`--environment`: whose measurements; the command gets it as `environment`."""
    return click.option(
        "--environment",
        metavar="FINGERPRINT",
        help="Only measurements of this environment; its first digits are enough. hwnas db info lists them.",
    )(command)


def filter_options(command: Command) -> Command:
    """Options for choosing measurements; :func:`filters` makes sense of them."""
    positive = click.IntRange(min=1)
    for option in (
        environment_option,
        click.option("--status", type=click.Choice([str(s) for s in Status]), help="Only with this outcome."),
        click.option("--threads", type=positive, help="Only with this number of threads."),
        click.option("--width", type=positive, help="Only patterns of this width."),
        click.option("--depth", type=positive, help="Only patterns of this depth."),
        click.option("--batch", type=positive, help="Only with this batch size."),
        click.option("--backend", metavar="ID", help="Only on this backend, such as openvino:cpu:fp32."),
        click.option("--model", metavar="NAME", help="Only this model, such as zoo:resnet18."),
        click.option("--pattern", metavar="NAME", help="Only this design pattern."),
    ):
        command = option(command)
    return command


def filters(
    store: LatencyStore,
    *,
    pattern: str | None = None,
    model: str | None = None,
    backend: str | None = None,
    environment: str | None = None,
    **others: Any,
) -> Filters:
    """The filters that :func:`filter_options` ask for; names are checked against the database.

    Raises:
        UnknownName: The zoo has no such network, or no measurement has that pattern, model, backend or
            environment.
        UsageError: `--pattern` together with `--model`, or an ambiguous short name.
    """
    if pattern and model:
        raise UsageError("--pattern and --model exclude each other", "Give one of them")
    found: Filters = {**others}  # type: ignore[typeddict-item]  # the remaining options bear its names
    if pattern:
        found["kind"] = "pattern"
        found["name"] = _known(store, "pattern", "name", pattern, kind="pattern")
    if model:
        kind, _, name = model.partition(":")
        if name and kind == "zoo":
            network = find_network(name)
            kind, name = network.kind, network.model
        if name and kind in NAMED_KINDS:
            found["kind"] = kind
            found["name"] = _known(store, f"{kind} model", "name", name, kind=kind)
        else:
            found["name"] = _known(store, "model", "name", model)
    if backend:
        found["backend"] = _known(store, "backend", "backend", backend)
    if environment:
        found["environment"] = store.find_environment(environment)
    return found


def _known(store: LatencyStore, what: str, field: str, name: str, kind: str | None = None) -> str:
    """`name`, or the one value in the database whose first part it is."""
    values: list[str] = store.values(field, kind=kind)
    if name in values:
        return name
    longer = [value for value in values if value.startswith(f"{name}:")]
    if len(longer) > 1:
        raise UsageError(f"{what} {name!r} is ambiguous", f"Say which: {', '.join(longer)}")
    if not longer and values:
        raise UnknownName(f"measured {what}", name, values)
    return longer[0] if longer else name
