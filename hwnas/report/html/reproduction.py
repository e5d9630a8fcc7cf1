"""The commands that measure and draw the same again."""

from __future__ import annotations

import shlex

from hwnas.core.errors import HwnasError
from hwnas.core.resources import data_folder
from hwnas.measuring.experiment_file import load_experiment
from hwnas.report.cells import Selection
from hwnas.store import CampaignRecord


def commands(selection: Selection) -> list[str]:
    """Shell lines: the runtimes' versions, every shipped experiment as it was measured, and the report."""
    versions = selection.environment.versions
    pinned = [
        f"{name}=={versions[name]}"
        for name in ("torch", "torchvision", "timm", "openvino", "numpy")
        if name in versions
    ]
    measured = dict.fromkeys(
        f"hwnas measure {r.name}{_options(r)}" for r in selection.campaigns if r.name in _shipped()
    )
    return [
        *([f"pip install {' '.join(pinned)}"] if pinned else []),
        *measured,
        f"hwnas report --environment {selection.environment.fingerprint}",
    ]


def own_campaigns(selection: Selection) -> list[str]:
    """Campaigns whose experiment does not ship with hwnas, by name."""
    return list(dict.fromkeys(r.name for r in selection.campaigns if r.name not in _shipped()))


def _shipped() -> set[str]:
    return {path.stem for path in data_folder("experiments").glob("*.yaml")}


def _options(record: CampaignRecord) -> str:
    """What the command line gave beside the experiment's file, as far as the campaign tells."""
    try:
        file = load_experiment(record.name)
    except HwnasError:
        return ""  # another version's file, which this one cannot read
    options = []
    spec, settings = record.spec, record.spec.get("settings", {})
    if spec.get("threads", file.threads) != file.threads:
        options.append(f"--threads {spec['threads']}")
    if settings.get("passes", file.settings.passes) != file.settings.passes:
        options.append(f"--passes {settings['passes']}")
    if settings.get("budget_s", file.settings.budget_s) != file.settings.budget_s:
        options.append(f"--budget {settings['budget_s']:g}s")
    if spec.get("backends", list(file.backends)) != list(file.backends):
        options += [f"--backend {shlex.quote(backend)}" for backend in spec["backends"]]
    return "".join(f" {option}" for option in options)
