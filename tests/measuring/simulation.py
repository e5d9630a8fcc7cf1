"""A simulated host: latencies with drift, contention and outliers, whose truth is known."""

from __future__ import annotations

import numpy as np

from hwnas.core.measurement import Block, Measurement, Status
from hwnas.core.workload import Workload

CANARY = {"matrix": 60e-6, "gather": 80e-6}
WORKLOAD = Workload("torchvision", "resnet18", (1, 3, 224, 224))


class SimulatedHost:
    """Two speed states that change at random, felt by the canary and, by a slope, by the network."""

    def __init__(self, seed: int, *, contention: float = 0.25, dwell: float = 0.1, noise: float = 0.01) -> None:
        self.rng = np.random.default_rng(seed)
        self.contention, self.dwell, self.noise = contention, dwell, noise
        self.now, self.slow = 0.0, False

    def advance(self, seconds: float) -> None:
        self.now += seconds
        if self.rng.random() < 1 - np.exp(-seconds / self.dwell):
            self.slow = not self.slow

    def canary(self) -> dict[str, float]:
        factor = np.exp(self.contention * self.slow)
        return {k: v * factor * np.exp(self.noise * self.rng.normal()) for k, v in CANARY.items()}

    def call(self, latency_s: float, slope: float) -> float:
        spikes = 0.5 if self.rng.random() < 0.01 else 0.0
        return float(
            latency_s * np.exp(slope * self.contention * self.slow + self.noise * self.rng.normal() + spikes)
        )

    def turn(self, latency_s: float, slope: float, round_: int, turn_s: float = 0.12, block_s: float = 0.012):
        blocks, end = [], self.now + turn_s
        before = self.canary()
        while self.now < end:
            samples, start, stop = [], self.now, self.now + block_s
            while self.now < stop or not samples:
                samples.append(self.call(latency_s, slope))
                self.advance(samples[-1])
            after = self.canary()
            blocks.append(Block(round_, start, tuple(samples), before, after))
            before = after
        return blocks


def interleaved(
    seed: int, latencies: dict[str, float], *, passes: int = 2, rounds: int = 15, slope: float = 0.6, **host
):
    """Passes of several arms in one campaign: backend -> measurements."""
    found: dict[str, list[Measurement]] = {name: [] for name in latencies}
    for pass_index in range(passes):
        machine = SimulatedHost(seed * 1000 + pass_index, **host)
        blocks: dict[str, list[Block]] = {name: [] for name in latencies}
        for round_ in range(rounds):
            for name in machine.rng.permutation(list(latencies)):
                blocks[name] += machine.turn(latencies[name], slope, round_)
        for name in latencies:
            found[name].append(measurement(name, pass_index, blocks[name], group=f"{seed}/{pass_index}"))
    return found


def measurement(backend: str, pass_index: int, blocks, group: str) -> Measurement:
    return Measurement(
        uid=f"{group}/{backend}",
        group=group,
        workload=WORKLOAD,
        backend=backend,
        threads=1,
        pass_index=pass_index,
        status=Status.OK,
        blocks=tuple(blocks),
    )
