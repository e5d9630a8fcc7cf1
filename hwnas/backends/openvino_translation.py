"""A converted network on disk: conversion takes seconds, and every pass of a campaign needs the same one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from hwnas.backends.openvino_runtime import import_openvino

ov = import_openvino()


class TranslatedNetwork:
    """OpenVINO's representation of one network, in float32 as it was converted.

    Args:
        core: An ``openvino.Core``.
        place: A path without suffix, or None: nothing is kept.
    """

    def __init__(self, core: Any, place: Path | None) -> None:
        self._core = core
        self._graph = place.with_name(f"{place.name}.xml") if place else None
        #: Whether an earlier process left one.
        self.found = self._graph is not None and self._graph.exists()

    def read(self) -> Any:
        """What an earlier process left, or None."""
        return self._core.read_model(self._graph) if self.found else None

    def keep(self, model: Any) -> Any:
        """Write a network for later processes, unless it is there; returns what they will read.

        So the first process compiles from a file too: all of them do the same.
        """
        if self._graph is None or self.found:
            return model
        part = self._graph.with_name(f"part-{self._graph.name}")
        try:
            ov.save_model(model, part, compress_to_fp16=False)
            part.with_suffix(".bin").rename(self._graph.with_suffix(".bin"))
            # Last, since its presence says that all is there.
            part.rename(self._graph)
        except (OSError, RuntimeError):
            # A full disk costs the next pass a conversion, and nothing else.
            for left in (part, part.with_suffix(".bin")):
                with suppress(OSError):
                    left.unlink()
            return model
        return self._core.read_model(self._graph)
