"""NNI 3.0 with our spaces and latencies (``pip install 'hwnas[nni]'``).

NNI is imported when one of these names is first used; if it is missing, or something is installed with which it
would hang, :class:`~hwnas.core.errors.MissingDependency` says so. The guide is ``docs/nni.md``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "AskTell",
    "LatencyPenalty",
    "LatencyProfiler",
    "Objective",
    "SpaceModel",
    "SteeredDARTS",
    "SteeredGumbelDARTS",
    "SteeredProxyless",
    "SupernetSpace",
    "check_nni",
    "latency_filter",
    "latency_profiler",
    "search",
    "search_one_shot",
    "search_space",
]

if TYPE_CHECKING:
    from hwnas.nni_bridge.availability import check_nni
    from hwnas.nni_bridge.model_space import SpaceModel
    from hwnas.nni_bridge.multi_trial import search
    from hwnas.nni_bridge.objective import Objective
    from hwnas.nni_bridge.one_shot import search_one_shot
    from hwnas.nni_bridge.profiler import LatencyProfiler, latency_filter, latency_profiler
    from hwnas.nni_bridge.samples import search_space
    from hwnas.nni_bridge.steering import LatencyPenalty, SteeredDARTS, SteeredGumbelDARTS, SteeredProxyless
    from hwnas.nni_bridge.supernet import SupernetSpace
    from hwnas.nni_bridge.tuners import AskTell

_HOMES = {
    "AskTell": "tuners",
    "LatencyPenalty": "steering",
    "LatencyProfiler": "profiler",
    "Objective": "objective",
    "SpaceModel": "model_space",
    "SteeredDARTS": "steering",
    "SteeredGumbelDARTS": "steering",
    "SteeredProxyless": "steering",
    "SupernetSpace": "supernet",
    "check_nni": "availability",
    "latency_filter": "profiler",
    "latency_profiler": "profiler",
    "search": "multi_trial",
    "search_one_shot": "one_shot",
    "search_space": "samples",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"hwnas.nni_bridge.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'hwnas.nni' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
