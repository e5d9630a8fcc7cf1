"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

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
    return _db_option("a SQLite file or a postgresql:// URL", command)


def readable_db_option(command: Command) -> Command:
    """`--db` of what reads, where what comes with hwnas is one more; else as :func:`db_option`."""
    return _db_option("a SQLite file, a postgresql:// URL, or shipped for what comes with hwnas", command)


def _db_option(what: str, command: Command) -> Command:
    return click.option(
        "--db",
        metavar="PATH|URL",
        help=f"Latency database: {what}. [default: $HWNAS_DB, else latency.sqlite in the user's data folder]",
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
        click.option(
            "--model",
            metavar="NAME",
            help="Only this model, such as zoo:resnet18 or space:NAME:ARCHITECTURE, or a whole space.",
        ),
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
        found.update(_model_filters(store, model))
    if backend:
        found["backend"] = _known(store, "backend", "backend", backend)
    if environment:
        found["environment"] = store.find_environment(environment)
    return found


def given(option: str) -> bool:
    """Whether the command line names an option or argument of the running command, even with its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source == click.core.ParameterSource.COMMANDLINE


def refuse_empty() -> None:
    """Refuse options of the running command with an empty text: a shell makes it of a variable that is not set.

    Raises:
        UsageError: There is one; the message names it.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        if not isinstance(parameter, click.Option):
            continue  # what an empty argument cannot name says so
        value = context.params.get(parameter.name or "")
        if value == "" or (isinstance(value, tuple) and "" in value):
            raise UsageError(f"{parameter.opts[0]} is empty", "Give it a value, or leave it out")


def _model_filters(store: LatencyStore, model: str) -> Filters:
    kind, _, name = model.partition(":")
    if name and kind == "space":
        return _space_filters(store, name)
    if name and kind == "zoo":
        network = find_network(name)
        kind, name = network.kind, network.model
    if name and kind in NAMED_KINDS:
        return {"kind": kind, "name": _known(store, f"{kind} model", "name", name, kind=kind)}
    return {"name": _known(store, "model", "name", model)}


def _space_filters(store: LatencyStore, text: str) -> Filters:
    """One architecture, ``NAME:ARCHITECTURE`` or, as tables shorten it, ``NAME#DIGITS``; or all, ``NAME``."""
    names = store.values("name", kind="space")
    if text in names:
        return {"kind": "space", "name": text}
    name, colon, architecture = text.rpartition(":")
    if colon:
        from hwnas.workloads.spaces.workload import parse_space_model

        try:
            workload = parse_space_model(text)
        except UsageError:
            # What was measured of a space can be looked at when its file is gone or says something else.
            if architecture not in store.values("architecture", kind="space", name=name):
                raise
        else:
            name, architecture = workload.name, str(workload.params["architecture"])
        what = f"architecture of the space {name}"
        known = _known(store, what, "architecture", architecture, kind="space", name=name)
        return {"kind": "space", "name": name, "architecture": known}
    stored = store.measurements(kind="space", with_samples=False, with_kernels=False)
    short = {s.measurement.workload.short_name: s.measurement.workload for s in stored}
    if text not in short:
        raise UnknownName("measured search space or architecture", text, [*names, *short])
    found = short[text]
    return {"kind": "space", "name": found.name, "architecture": str(found.params["architecture"])}


def _known(store: LatencyStore, what: str, field: str, value: str, **scope: Unpack[Filters]) -> str:
    """The value, or the one in the database whose first part it is."""
    values: list[str] = store.values(field, **scope)
    if value in values:
        return value
    longer = [known for known in values if known.startswith(f"{value}:")]
    if len(longer) > 1:
        raise UsageError(f"{what} {value!r} is ambiguous", f"Say which: {', '.join(longer)}")
    if not longer and values:
        raise UnknownName(f"measured {what}", value, values)
    return longer[0] if longer else value
