"""The commands that measure and draw the same again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hwnas.core.errors import HwnasError
from hwnas.core.resources import data_folder
from hwnas.measuring.experiment import Experiment, adjusted
from hwnas.measuring.experiment_file import load_experiment
from hwnas.measuring.settings import Settings
from hwnas.report.cells import Selection
from hwnas.report.context import plural
from hwnas.report.reading import DEFAULT_BASELINE
from hwnas.store import CampaignRecord
from hwnas.store.location import SHIPPED

#: What PyTorch calls its builds that PyPI does not have; each has an index of its own.
_BUILD = re.compile(r"\+(cpu|xpu|cu\d+|rocm[\d.]+)$")


def commands(selection: Selection) -> list[str]:
    """Shell lines: the runtimes' versions, every shipped experiment as it was measured, and the report.

    Where no option of the command brings back what a campaign was measured with, a comment says what differs.
    """
    versions = selection.environment.versions
    pinned = [
        f"{name}=={versions[name]}"
        for name in ("torch", "torchvision", "timm", "openvino", "numpy")
        if name in versions
    ]
    measured = dict.fromkeys(_measured(r, selection) for r in selection.campaigns if r.name in _shipped())
    return [
        *([f"pip install {' '.join(pinned)}{_index(versions)}"] if pinned else []),
        *(line for lines in measured for line in lines),
        f"hwnas report{database(selection)} --environment {selection.environment.fingerprint}"
        f"{_baseline(selection.baseline)}",
    ]


def _index(versions: Mapping[str, str]) -> str:
    """The option that finds the build of PyTorch, where PyPI does not have it."""
    build = _BUILD.search(versions.get("torch", ""))
    return f" --extra-index-url https://download.pytorch.org/whl/{build[1]}" if build else ""


def _baseline(backend: str) -> str:
    """The option that brings back what speedups refer to; empty for what they do without it."""
    return "" if backend == DEFAULT_BASELINE else f" --baseline {shlex.quote(backend)}"


def database(selection: Selection) -> str:
    """The option that names what ships with hwnas; empty for a database of one's own, wherever that lies."""
    return f" --db {SHIPPED}" if selection.location == SHIPPED else ""


def own_campaigns(selection: Selection) -> list[str]:
    """Campaigns whose experiment does not ship with hwnas, by name."""
    return list(dict.fromkeys(r.name for r in selection.campaigns if r.name not in _shipped()))


def _shipped() -> set[str]:
    return {path.stem for path in data_folder("experiments").glob("*.yaml")}


def _measured(record: CampaignRecord, selection: Selection) -> tuple[str, ...]:
    """The command that measures a campaign, behind a comment where it differs from what was measured."""
    command = f"hwnas measure {record.name}"
    try:
        file = load_experiment(record.name)
    except HwnasError:
        return (command,)  # another version's file, which this one cannot read
    batches = {c.workload.batch for c in selection.cells if c.campaign_uid == record.uid}
    options, remarks = [], []
    for found, remark in (
        _of_settings(record.spec.get("settings"), file.settings),
        _of_networks(record.spec.get("workloads"), file, batches),
    ):
        options += found
        remarks += remark
    threads, backends = record.spec.get("threads", file.threads), record.spec.get("backends")
    options += [f"--threads {threads}"] if threads != file.threads else []
    if backends is not None and list(backends) != list(file.backends):
        options += [f"--backend {shlex.quote(backend)}" for backend in backends]
    line = " ".join([command, *options])
    return (f"# measured with other settings: {'; '.join(remarks)}", line) if remarks else (line,)


_Differences = tuple[list[str], list[str]]  # options that bring it back, and what none does


def _of_settings(spec: Mapping[str, Any] | None, file: Settings) -> _Differences:
    """What the settings of a campaign have otherwise than the file."""
    if spec is None:
        return [], []
    now: dict[str, Any] = asdict(file)
    # What a campaign does not tell was not there to be set, or was left out because it was the default.
    then = {**asdict(Settings()), **spec}
    different = [name for name in then if name not in now or then[name] != now[name]]
    options = []
    if {"passes", "max_passes"} & set(different) and then["passes"] == then["max_passes"]:
        options.append(f"--passes {then['passes']}")
        different = [name for name in different if name not in ("passes", "max_passes")]
    if "budget_s" in different:
        options.append(f"--budget {then['budget_s']:g}s")
        different.remove("budget_s")
    said = {name: f"now {now[name]}" if name in now else "no setting any more" for name in different}
    return options, [f"{name} {then[name]} ({told})" for name, told in said.items()]


def _of_networks(keys: list[str] | None, file: Experiment, batches: set[int]) -> _Differences:
    """Which networks a campaign had otherwise than the file.

    Args:
        keys: The campaign's workloads; None where it does not tell.
        file: As it is now.
        batches: Of the campaign's cells.
    """
    now = {w.key for w in file.workloads}
    if keys is None or set(keys) == now:
        return [], []
    if len(batches) == 1:
        (batch,) = batches
        if {w.key for w in adjusted(file, batch=batch).workloads} == set(keys):
            return [f"--batch {batch}"], []
    more, fewer = len(set(keys) - now), len(now - set(keys))
    parts = [f"{plural(more, 'network')} that the file does not have"] if more else []
    parts += [f"without {plural(fewer, 'network')} of the file"] if fewer else []
    return [], [", ".join(parts)]
