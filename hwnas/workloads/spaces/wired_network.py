"""Networks whose modules read each other's results."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from hwnas.workloads.spaces.space import IMAGES


class WiredNetwork(nn.Module):
    """Modules in order of execution; the last one gives the result.

    Args:
        modules: By name. All of them run.
        reads: For each, whose results it takes: names of modules before it, or :data:`IMAGES`.
    """

    def __init__(self, modules: Mapping[str, nn.Module], reads: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(modules)
        self._reads = dict(reads)
        last_reader = {name: reader for reader, names in reads.items() for name in names}
        # A result that nobody reads goes at once, as does one whose last reader has run.
        self._done = {reader: [n for n, last in last_reader.items() if last == reader] for reader in reads}
        self._result = list(modules)[-1]
        for name in modules:
            if name not in last_reader and name != self._result:
                self._done[name].append(name)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(n, channels, height, width)`` to ``(n, classes)``."""
        results = {IMAGES: images}
        for name, module in self.parts.items():
            results[name] = module(*(results[source] for source in self._reads[name]))
            for done in self._done[name]:
                del results[done]
        return results[self._result]
