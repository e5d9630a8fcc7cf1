"""`hwnas search`: the most accurate network under a latency limit, and the proof of the limit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hwnas.backends.registry import BACKENDS
from hwnas.cli.options import db_option, given, refuse_empty
from hwnas.core.errors import UsageError
from hwnas.core.units import parse_bytes, parse_count, parse_seconds
from hwnas.host.cpus import usable_threads
from hwnas.jobs.options import CHANGEABLE, NETADAPT, SearchOptions
from hwnas.measuring.experiment import check_threads

_OUT = "hwnas-search"
#: Each loads PyTorch and the backend anew, some hundred megabytes.
_MOST_PROCESSES = 4

#: Option of the command -> key of a limit, and what reads its value.
_COUNT_LIMITS: dict[str, tuple[str, Callable[[str], float]]] = {
    "max_macs": ("macs", parse_count),
    "max_parameters": ("parameters", parse_count),
    "max_weights": ("weights", parse_bytes),
    "max_memory": ("memory", parse_bytes),
}

#: Parameters that are read before they become a search's options.
_READ = (*_COUNT_LIMITS, "latencies", "budget", "backend")
#: Parameter -> option, where they differ.
_OPTIONS = {"latencies": "max_latency", "budget": "time"}
_NOT_FOR_NETADAPT = (
    *("space", "accuracy", "trials", "budget", "sampler", "measurements", "confidence", "prune"),
    *("finalists", "final_seeds", *_COUNT_LIMITS),
)


@click.command()
@click.option("--space", metavar="NAME|FILE", help="Search space: hwnas space show.  [default: patterns]")
@click.option("--backend", metavar="ID", help="Whose latency counts.  [default: openvino:cpu:fp32]")
@click.option(
    "--max-latency",
    "latencies",
    multiple=True,
    metavar="[ID=]TIME",
    help="The most that one inference may take: 2ms, or torch:cpu:fp32=5ms; several hold at once. "
    "Without any, latency is traded against accuracy.",
)
@click.option("--max-macs", metavar="N", help="The most multiply-adds of one image: 10M.")
@click.option("--max-parameters", metavar="N", help="The most parameters: 500k.")
@click.option("--max-weights", metavar="SIZE", help="The most memory of the weights: 2MiB.")
@click.option("--max-memory", metavar="SIZE", help="The most memory of an inference in PyTorch: 16MiB.")
@click.option(
    "--confidence",
    type=float,
    metavar="SHARE",
    help="A network is trained where every limit holds so surely.  [default: 0.9]",
)
@click.option(
    "--data",
    metavar="NAME[:FOLDER]",
    help="Images: digits, fashion-mnist:FOLDER, cifar10:FOLDER or folder:FOLDER.  [default: digits; with "
    "--start DIR those of its network]",
)
@click.option(
    "--image-size",
    type=click.IntRange(min=8),
    help="Of the images of a folder, and with the engine netadapt of what a network by name reads.  [default: "
    "64; netadapt: that of the data, at least 32]",
)
@click.option(
    "--accuracy",
    metavar="NAME",
    help="Who tells accuracies: train, package.module:function or table:FILE,...  [default: train]",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Of a training.  [default: what suits the data]")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Networks to evaluate.  [default: 20; with --time any number]",
)
@click.option("--time", "budget", metavar="TIME", help="Begin no evaluation after so long: 20m.")
@click.option("--engine", metavar="NAME", help="optuna, nni or netadapt.  [default: optuna]")
@click.option(
    "--sampler",
    metavar="NAME",
    help="optuna: hwnas, tpe, gp, nsga2, nsga3, random; nni: evolution, random, grid, tpe, evolution-tuner.  "
    "[default: the first]",
)
@click.option(
    "--start",
    metavar="MODEL|DIR",
    help="What the engine netadapt shrinks: zoo:mobilenet_v2, or the DIR of a search or an export.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of all that is random.  [default: 0]")
@click.option(
    "--prune/--no-prune",
    default=None,
    help="Give up poor trainings early, where a latency is limited.  [default: prune]",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the backend.  [default: 1]")
@click.option("--batch", type=click.IntRange(min=1), help="Images in one inference.  [default: 1]")
@click.option(
    "--measurements",
    type=click.IntRange(min=0),
    help="Networks that may be measured to learn latencies, for each backend; 0 for the predictor alone.  "
    "[default: 48]",
)
@click.option(
    "--predictor",
    metavar="DIR",
    help="A predictor that hwnas fit --out wrote.  [default: this host's, else a shipped one]",
)
@click.option(
    "--finalists",
    type=click.IntRange(min=1),
    help="Networks that are measured closely in the end, and trained with several seeds.  [default: 3]",
)
@click.option("--final-seeds", type=click.IntRange(min=1), help="Trainings of each finalist.  [default: 3]")
@click.option("--out", metavar="DIR", default=_OUT, show_default=True, help="Folder for all that comes out.")
@click.option("--resume", is_flag=True, help="Go on with the search in --out; its options are known.")
@click.option("--json", "as_json", is_flag=True, help="Print what result.json holds.")
@db_option
def search(out: str, resume: bool, as_json: bool, db: str | None, **found: Any) -> None:
    """Find the most accurate network under a latency limit, and prove the limit by measuring the winner.

    Without a limit the result is a Pareto front of accuracy and latency. Everything is kept as it is finished.
    """
    refuse_empty()
    options = _gone_on_with(Path(out), found) if resume else _options(found)
    _refuse_without_effect(options)
    check_threads(options.threads)
    console = Console(markup=False, emoji=False, highlight=False, stderr=as_json)
    from hwnas.cli.search_progress import SearchProgress, summary
    from hwnas.jobs.folder import SearchFolder
    from hwnas.jobs.search_job import search as run

    progress = SearchProgress(console, options)
    try:
        with progress if console.is_terminal else nullcontext():
            processes = min(_MOST_PROCESSES, usable_threads())
            record = run(options, out, db=db, resume=resume, processes=processes, listener=progress)
    except KeyboardInterrupt:
        if SearchFolder(Path(out)).is_search():
            console.print(
                f"Stopped. What is finished is kept; hwnas search --resume --out {out} goes on.", soft_wrap=True
            )
        raise
    if as_json:
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        for line in summary(record, Path(out)):
            console.print(line, soft_wrap=True)
    if record["winner"] is None or record["verdict"] in ("NOT", "UNCLEAR"):
        sys.exit(1)


def _options(found: Mapping[str, Any]) -> SearchOptions:
    """The options that were given, the others at their defaults."""
    chosen = {name: value for name, value in found.items() if value is not None and name not in _READ}
    backend = BACKENDS.resolve(found["backend"]) if found["backend"] else SearchOptions.backend
    limits = _latency_limits(found["latencies"], backend)
    if found["backend"] and limits and backend not in limits:
        raise UsageError(
            f"--backend is {backend}, and --max-latency limits {', '.join(limits)}",
            "Leave --backend out, or limit it as well",
        )
    return SearchOptions(
        backend=backend,
        max_latency_s=limits,
        max_count=_count_limits(found),
        budget_s=None if found["budget"] is None else parse_seconds(found["budget"]),
        **chosen,
    )


def _latency_limits(texts: Sequence[str], backend: str) -> dict[str, float]:
    limits: dict[str, float] = {}
    for text in texts:
        name, equals, most = text.rpartition("=")
        full = BACKENDS.resolve(name) if equals else backend
        if full in limits:
            raise UsageError(f"--max-latency limits {full} twice", "Limit each backend once")
        limits[full] = parse_seconds(most)
    return limits


def _count_limits(found: Mapping[str, Any]) -> dict[str, float]:
    return {
        key: read(found[option]) for option, (key, read) in _COUNT_LIMITS.items() if found[option] is not None
    }


def _gone_on_with(out: Path, found: Mapping[str, Any]) -> SearchOptions:
    """The options of a search that goes on, with what may be changed.

    Raises:
        UsageError: There is no search, or an option asks for another one.
    """
    from hwnas.jobs.defaults import default_of
    from hwnas.jobs.folder import SearchFolder
    from hwnas.jobs.paths import absolute

    begun = SearchFolder(out).declared().options
    changed: dict[str, Any] = {}
    for name in found:
        if not given(name):
            continue
        option = "--" + _OPTIONS.get(name, name).replace("_", "-")
        if name == "budget":
            changed["budget_s"] = parse_seconds(found[name])
        elif name in CHANGEABLE:
            changed[name] = found[name]
        elif name == "latencies":
            limits = _latency_limits(found[name], begun.backend)
            _must_be(option, limits, {b: begun.max_latency_s.get(b) for b in limits}, out)
        elif name in _COUNT_LIMITS:
            key, read = _COUNT_LIMITS[name]
            _must_be(option, read(found[name]), begun.max_count.get(key), out)
        elif name == "backend":
            _must_be(option, BACKENDS.resolve(found[name]), begun.backend, out)
        else:
            before = getattr(begun, name)
            if before is None:
                before = default_of(name, begun)
            _must_be(option, absolute(name, found[name]), before, out)
    return replace(begun, **changed)


def _must_be(option: str, asked: object, begun: object, out: Path) -> None:
    if asked != begun:
        how = "without it" if begun is None else f"with {begun}"
        raise UsageError(
            f"{option} is another than that of the search in {out}, which was begun {how}",
            "Leave the option out, or begin another search in another --out",
        )


def _refuse_without_effect(options: SearchOptions) -> None:
    """Options that the engine netadapt would pass over."""
    if options.engine != NETADAPT:
        return
    for name in _NOT_FOR_NETADAPT:
        if given(name):
            option = "--" + _OPTIONS.get(name, name).replace("_", "-")
            raise UsageError(f"{option} says nothing to the engine netadapt", "Leave it out")
