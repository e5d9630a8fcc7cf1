"""`hwnas devices`: what this host can measure with, and how quiet it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from hwnas.backends.protocol import Availability
from hwnas.backends.registry import BACKENDS, backend
from hwnas.core.environment import Cache, Environment
from hwnas.core.errors import HwnasError, UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.core.units import format_bytes, format_seconds
from hwnas.host.counters import CounterSource, cache_miss_sources
from hwnas.host.lock import lock_holder, measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.host.memory import available_memory_bytes
from hwnas.host.noise import NoiseLevel, NoiseReport, check_noise

#: Enough to see a drift, short enough to wait for.
_NOISE_CHECK_S = 5.0
_REDRAW_S = 0.25

_VERDICT_STYLES = {NoiseLevel.QUIET: "bold green", NoiseLevel.NOISY: "bold yellow", NoiseLevel.BUSY: "bold red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--no-noise", is_flag=True, help=f"Skip the {_NOISE_CHECK_S:.0f}-second noise check.")
def devices(as_json: bool, no_noise: bool) -> None:
    """Show what this host can measure with, and how quiet it is."""
    console = Console(highlight=False)
    # What moves goes to stderr, so that --json stays clean, and only where somebody watches.
    live = Console(stderr=True)
    watched = console.is_terminal and live.is_terminal

    environment = probe_environment()
    if not as_json:
        _print_environment(console, environment)
    with live.status("Looking for backends") if watched else nullcontext():
        backends = {name: _availability(name) for name in BACKENDS.names()}
        sources = cache_miss_sources()
    if not as_json:
        _print_backends(console, backends)
        _print_sources(console, sources)
    lock = _lock_state()
    noise, skipped = (None, "--no-noise") if no_noise else _noise(live, watched)

    if as_json:
        document = {
            "environment": {**environment.to_dict(), "fingerprint": environment.fingerprint},
            "backends": [{"id": name, **asdict(found)} for name, found in backends.items()],
            "cache_miss_sources": [asdict(source) for source in sources],
            "noise": noise.to_dict() if noise else None,
            "noise_skipped": skipped,
            "lock": lock,
        }
        click.echo(json.dumps(document, indent=2))
    elif not no_noise:
        _print_noise(console, noise, skipped)


def _availability(name: str) -> Availability:
    try:
        return backend(name).availability()
    except UsageError as error:
        # A third party's entry point that does not load, or cannot tell, must not hide the other backends.
        return Availability(False, error.message, error.hint)
    except FOREIGN_CODE_ERRORS as error:
        return Availability(
            False, f"asking it failed: {in_one_line(error)}", "Update or remove the package that offers it"
        )


def _lock_state() -> dict[str, Any] | None:
    """Who measures now, or why that cannot be told; None while nobody does."""
    try:
        holder = lock_holder()
    except HwnasError as error:
        return {"held_by": None, "problem": str(error)}
    return {"held_by": asdict(holder)} if holder else None


def _noise(live: Console, watched: bool) -> tuple[NoiseReport | None, str | None]:
    """The noise report, or None and why there is none."""
    countdown = TextColumn("{task.remaining:.0f} s left")
    # Drawn between readings, never by a thread of its own that would disturb them.
    bar = Progress(
        TextColumn("Listening for noise"),
        BarColumn(),
        countdown,
        console=live,
        auto_refresh=False,
        transient=True,
        disable=not watched,
    )

    def show(elapsed_s: float) -> None:
        if elapsed_s - bar.tasks[0].completed >= _REDRAW_S:
            bar.update(bar.tasks[0].id, completed=elapsed_s, refresh=True)

    try:
        # The canary would disturb a campaign, and the campaign would look like noise.
        with measuring_lock("hwnas devices"), bar:
            bar.add_task("", total=_NOISE_CHECK_S)
            return check_noise(_NOISE_CHECK_S, progress=show), None
    except HwnasError as error:
        return None, str(error)


def _section(console: Console, title: str, rows: Iterable[tuple[str | Text, ...]]) -> None:
    """A heading and aligned rows; the last column wraps."""
    table = Table.grid(padding=(0, 2))
    for cells in rows:
        # Text, since names of devices may hold what rich takes for markup.
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
    console.print(Text(title, style="bold"))
    console.print(Padding(table, (0, 0, 1, 2), expand=False))


def _print_environment(console: Console, environment: Environment) -> None:
    cpus = "1 logical CPU" if environment.logical_cpus == 1 else f"{environment.logical_cpus} logical CPUs"
    quota, memory_limit = environment.cgroup_cpus, environment.cgroup_memory_bytes
    limits = [f"{quota:g} CPUs"] if quota is not None else []
    limits += [format_bytes(memory_limit)] if memory_limit is not None else []
    versions = (f"{name} {number}" for name, number in environment.versions.items())
    rows = [
        ("CPU", f"{environment.cpu_model} ({environment.architecture}), {cpus} usable"),
        ("Instructions", " ".join(environment.instruction_sets) or "not told"),
        ("Caches", "\n".join(map(_cache_line, environment.caches)) or "not told"),
        (
            "Memory",
            f"{format_bytes(environment.memory_bytes)}, {format_bytes(available_memory_bytes())} available",
        ),
        ("Limits", f"cgroup: {' and '.join(limits)}" if limits else "no cgroup limits"),
        ("Governor", environment.governor or "not told"),
        ("Virtualised", environment.virtualisation or "no sign of it"),
        ("System", f"{environment.operating_system}, kernel {environment.kernel}"),
        ("Versions", ", ".join(versions)),
        ("Fingerprint", environment.fingerprint),
    ]
    _section(console, "Host", rows)


def _cache_line(cache: Cache) -> str:
    name = f"L{cache.level} {cache.type.lower()}"
    ways = f", {cache.ways} ways" if cache.ways else ""
    shared = f", shared by {cache.shared_by} CPUs" if cache.shared_by > 1 else ""
    return f"{name:<14} {format_bytes(cache.size_bytes)}{ways}{shared}"


def _mark(available: bool) -> Text:
    return Text("yes", style="green") if available else Text("no", style="red")


def _print_backends(console: Console, backends: dict[str, Availability]) -> None:
    rows = [(_mark(found.available), name, _finding(found)) for name, found in backends.items()]
    _section(console, "Backends", rows)


def _print_sources(console: Console, sources: Iterable[CounterSource]) -> None:
    rows = [(_mark(source.available), source.name, _finding(source)) for source in sources]
    _section(console, "Sources of cache misses", rows)


def _finding(found: Availability | CounterSource) -> Text:
    """What was found, and below it what to do."""
    text = Text(found.detail)
    if found.remedy:
        text.append(f"\n{found.remedy}", style="italic")
    return text


def _print_noise(console: Console, noise: NoiseReport | None, skipped: str | None) -> None:
    if noise is None:
        _section(console, "Noise", [(Text("not checked", style="bold yellow"), skipped or "")])
        return
    rows: list[tuple[str | Text, ...]] = [
        (Text(noise.verdict.upper(), style=_VERDICT_STYLES[noise.verdict]), f"{noise.reason} {noise.advice}")
    ]
    for kernel in noise.kernels:
        drift = "not known" if kernel.drift is None else f"{100 * (kernel.drift - 1):.1f} %"
        steadiness = f"spread {100 * kernel.spread:.1f} %, drift {drift}"
        rows.append((f"Canary {kernel.name}", f"{format_seconds(kernel.median_s)}, {steadiness}"))
    steal = "not told by this host" if noise.steal_percent is None else f"{noise.steal_percent:.1f} %"
    rows.append(("Steal time", steal))
    rows.append(("Load average", f"{noise.load_average:.2f}"))
    busy = (f"{p.name} (pid {p.pid}) {p.cpu_percent:.0f} %" for p in noise.processes)
    rows.append(("Other processes", "\n".join(busy) or "at rest"))
    _section(console, f"Noise, {noise.readings} canary readings in {noise.seconds:.1f} s", rows)
