"""The commands that measure and draw the same again."""

from __future__ import annotations

import shlex

from hwnas.core.resources import data_folder
from hwnas.report.cells import Selection


def commands(selection: Selection) -> list[str]:
    """Shell lines: the runtimes' versions, every campaign by its name, and the report."""
    versions = selection.environment.versions
    pinned = [
        f"{name}=={versions[name]}"
        for name in ("torch", "torchvision", "timm", "openvino", "numpy")
        if name in versions
    ]
    shipped = {p.stem for p in data_folder("experiments").glob("*.yaml")}
    names = dict.fromkeys(c.name for c in selection.campaigns)
    return [
        *([f"pip install {' '.join(pinned)}"] if pinned else []),
        *(f"hwnas measure {name}" for name in names if name in shipped),
        *(
            f"hwnas measure --model {shlex.quote(name)}"
            for name in names
            if name not in shipped and ":" in name
        ),
        f"hwnas report --environment {selection.environment.fingerprint}",
    ]


def own_campaigns(selection: Selection) -> list[str]:
    """Campaigns whose experiment does not ship with hwnas, by name."""
    shipped = {p.stem for p in data_folder("experiments").glob("*.yaml")}
    names = dict.fromkeys(c.name for c in selection.campaigns)
    return [name for name in names if name not in shipped and ":" not in name]
