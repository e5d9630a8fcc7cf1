"""Measurements of a made-up machine whose true latencies are known."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping

import numpy as np

from hwnas.core.measurement import Agreement, Block, Measurement, Status
from hwnas.core.workload import Workload

#: Durations of the canary kernels [s] while the machine runs at its reference speed.
CANARY_REFERENCE: Mapping[str, float] = {"matrix": 1.0e-4, "gather": 0.5e-4}

_BLOCKS_PER_TURN = 4
_SAMPLES_PER_BLOCK = 3


class SyntheticHost:
    """Draws measurements from the model that :mod:`hwnas.measuring.drift` corrects for.

    Args:
        seed: Of everything random, so that equal calls give equal measurements.
        noise: Relative standard deviation of one block.
        drift: Relative standard deviation of the machine's speed between rounds.
        slope: Relative slow-down of a network for a relative slow-down of the canary.
        process_spread: Relative standard deviation between passes.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        noise: float = 0.01,
        drift: float = 0.05,
        slope: float = 0.6,
        process_spread: float = 0.0,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._noise = noise
        self._drift = drift
        self._slope = slope
        self._process_spread = process_spread

    def group(
        self,
        workload: Workload,
        latencies_s: Mapping[str, float | tuple[Status, str]],
        *,
        pass_index: int = 0,
        threads: int = 1,
        rounds: int = 10,
        created_at: str = "2026-01-02T03:04:05+00:00",
    ) -> list[Measurement]:
        """One pass of one workload, all arms interleaved.

        Args:
            workload: What runs.
            latencies_s: Backend -> true latency [s] at the reference speed, or the status and the
                reason of an arm that was not measured.
            pass_index: From 0.
            threads: Threads of every arm.
            rounds: Rounds of interleaving.
            created_at: ISO 8601 time.
        """
        identity = self._identity()
        speed = self._rng.normal(0.0, self._drift, rounds)
        measurements = []
        for backend, latency in latencies_s.items():
            status, reason = latency if isinstance(latency, tuple) else (Status.OK, "")
            blocks: tuple[Block, ...] = ()
            if not isinstance(latency, tuple):
                own = latency * math.exp(self._rng.normal(0.0, self._process_spread))
                blocks = self._blocks(own, speed)
            measurements.append(
                Measurement(
                    uid=self._identity(),
                    group=identity,
                    workload=workload,
                    backend=backend,
                    threads=threads,
                    pass_index=pass_index,
                    status=status,
                    reason=reason,
                    blocks=blocks,
                    agreement=Agreement(True, 2e-6, 1e-4, "synthetic") if blocks else None,
                    created_at=created_at,
                )
            )
        return measurements

    def _blocks(self, latency_s: float, speed: np.ndarray) -> tuple[Block, ...]:
        blocks = []
        for number, slowdown in enumerate(speed):
            canary = {name: value * math.exp(slowdown) for name, value in CANARY_REFERENCE.items()}
            for _ in range(_BLOCKS_PER_TURN):
                level = latency_s * math.exp(self._slope * slowdown + self._rng.normal(0.0, self._noise))
                samples = level * np.exp(self._rng.normal(0.0, self._noise / 2, _SAMPLES_PER_BLOCK))
                blocks.append(Block(number, float(number), tuple(samples.tolist()), canary, canary, 0, 0))
        return tuple(blocks)

    def _identity(self) -> str:
        return str(uuid.UUID(bytes=self._rng.bytes(16), version=4))
