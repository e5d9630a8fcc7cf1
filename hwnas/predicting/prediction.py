"""What a predictor answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hwnas.core.workload import Workload
from hwnas.predicting.network_model import CONFIDENCE
from hwnas.workloads.spaces.workload import space_model


@dataclass(frozen=True)
class KernelPrediction:
    """One kernel of a predicted network.

    Args:
        position: Place in the order of execution, from 0.
        type: The runtime's operator type.
        shapes: Input and output, for people.
        time_s: Its time as it adds up to the latency [s].
        source: ``measured`` (looked up), ``learned`` (from kernels like it), ``borrowed`` (from other kinds of
            kernels) or ``free`` (takes no time).
        in_range: Whether it lies where something was learned.
        compute_s: Its multiply-adds at the host's best rate [s].
        memory_s: Its bytes at the host's best bandwidth [s].
    """

    position: int
    type: str
    shapes: str
    time_s: float
    source: str
    in_range: bool
    compute_s: float
    memory_s: float


@dataclass(frozen=True)
class Prediction:
    """The latency of one network on one backend of one host.

    Args:
        workload: The network.
        backend: Full id.
        threads: Threads of the backend.
        host: Fingerprint of the environment that the predictor was made for.
        latency_s: Latency of one inference of the whole batch [s].
        low_s: Lower end of its 90 % interval, on the predictor's host [s].
        high_s: Upper end [s].
        in_range: Whether all but a twentieth of the latency lies in kernels like those in training, on the host
            that they were measured on.
        warnings: What makes it less trustworthy, each a sentence.
        kernels: In the order of their execution.
        elsewhere: How the predictor's host differs from this one; empty for this host's own. Latency and
            interval are those of the other host then.
    """

    workload: Workload
    backend: str
    threads: int
    host: str
    latency_s: float
    low_s: float
    high_s: float
    in_range: bool
    warnings: tuple[str, ...] = ()
    kernels: tuple[KernelPrediction, ...] = ()
    elsewhere: str = ""

    @property
    def confidence(self) -> float | None:
        """Of the interval on this host; None where the predictor is of another: nobody knows it there."""
        return None if self.elsewhere else CONFIDENCE

    def share(self, source: str) -> float:
        """Part of the kernels' time that comes from a source."""
        total = sum(k.time_s for k in self.kernels)
        return sum(k.time_s for k in self.kernels if k.source == source) / total if total else 0.0

    def record(self, *, kernels: bool = False) -> dict[str, Any]:
        """A JSON-ready dictionary; latencies in ms, as their names say.

        Args:
            kernels: Whether every kernel is listed.
        """
        found: dict[str, Any] = {
            "model": _named(self.workload),
            "input_shape": list(self.workload.input_shape),
            "batch": self.workload.batch,
            "backend": self.backend,
            "threads": self.threads,
            "host": self.host,
            "latency_ms": self.latency_s * 1e3,
            "interval_ms": [self.low_s * 1e3, self.high_s * 1e3],
            "confidence": self.confidence,
            "in_range": self.in_range,
            "measured_share": self.share("measured"),
            "learned_share": self.share("learned"),
            "borrowed_share": self.share("borrowed"),
            "warnings": list(self.warnings),
            "host_note": self.elsewhere or None,
        }
        if kernels:
            found["kernels"] = [asdict(k) for k in self.kernels]
        return found


def _named(workload: Workload) -> str:
    """The name; of a search space's network the whole architecture, which the space's name does not tell."""
    return space_model(workload) if workload.kind == "space" else workload.name
