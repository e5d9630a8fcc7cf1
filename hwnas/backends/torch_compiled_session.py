"""A session of code that torch.compile has made."""

from __future__ import annotations

from typing import Any

from torch import _dynamo

from hwnas.backends.torch_session import TorchSession


class TorchCompiledSession(TorchSession):
    """Its buffers only the compiler knows."""

    def effective(self) -> dict[str, Any]:
        """How many graphs the network became, and what broke it into several, too."""
        counters = _dynamo.utils.counters
        return {
            **super().effective(),
            "graphs": int(counters["stats"]["unique_graphs"]),
            "graph_breaks": {str(reason): int(times) for reason, times in counters["graph_break"].items()},
        }

    def dataflow(self) -> None:  # type: ignore[override]
        """Nobody tells."""
