"""NetAdapt: a network shrunk step by step until its latency is within a limit.

Source: T.-J. Yang, A. Howard, B. Chen, X. Zhang, A. Go, M. Sandler, V. Sze, H. Adam. NetAdapt: Platform-Aware
Neural Network Adaptation for Mobile Applications. ECCV 2018, arXiv:1804.03230, algorithm 1.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwnas.core.errors import TrainingDiverged, UsageError
from hwnas.core.units import format_seconds
from hwnas.netadapt.checkpoint import Checkpoint, Progressed, Step
from hwnas.netadapt.choosing import Candidate, Latency, choose, granules
from hwnas.netadapt.progress import Adapted, Progress
from hwnas.netadapt.proof import proved
from hwnas.netadapt.reach import OutOfReach, check_sizes
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.netadapt.structure import Structure, pruned
from hwnas.workloads.digest import network_digest
from hwnas.workloads.randomness import seeded

#: Trains a network in place for a number of optimizer steps, and tells its accuracy on held-out images
#: afterwards, from 0 to 1; without steps it only tells. Torch's generator is seeded when it is called, alike
#: for all candidates of a step and differently for every step: images that are drawn with it are the same for
#: networks that are compared, and others in the next step.
FineTune = Callable[[nn.Module, int], float]

#: Estimates the latency from the channels that each group has left [s].
Screen = Callable[[Mapping[str, int]], float]

#: A step that no group can give as a whole is halved so often at most.
_HALVINGS = 8
#: Accuracy of a network whose fine-tuning came to nothing.
_DIVERGED = -1.0


def adapt(
    network: nn.Module,
    images: torch.Tensor,
    latency: Latency,
    limit_s: float,
    fine_tune: FineTune,
    settings: NetAdaptSettings | None = None,
    *,
    seed: int = 0,
    folder: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Adapted:
    """Shrink a trained network until its latency is within a limit.

    In each step, every group of channels loses as many as bring the network's latency down by the step's share;
    these candidates are fine-tuned for a short time, and the most accurate one goes on.

    Args:
        network: Trained; not changed.
        images: An input, float32, batch first.
        latency: Tells that of a network [s], such as :class:`hwnas.netadapt.predicted.PredictedLatency`, which
            gives the upper end of its interval. Where it has a method ``screen`` as that has, estimates say how
            many channels go, and only the network that goes on is asked for; where it has ``interval``, that is
            kept with each step.
        limit_s: At most so much [s].
        fine_tune: Trains and evaluates.
        settings: None for the usual ones.
        seed: Of the fine-tuning.
        folder: Where to remember what is finished: the same call goes on there after a kill. None to keep
            nothing.
        identity: What else makes a run another one, such as the data and the predictor; JSON-ready.
        watch: Told where it stands; what it raises ends the run and comes out of here.

    Raises:
        OutOfMemory: The network does not fit.
        OutOfReach: It cannot reach the limit.
        TrainingDiverged: So did the fine-tuning of every candidate of a step.
        UsageError: The network has no channels to prune, or the folder is of another run.
    """
    chosen = settings or NetAdaptSettings()
    if not limit_s > 0:
        raise UsageError(f"the latency limit {limit_s} s is not above 0", "Give a positive number of seconds")
    start = copy.deepcopy(network).cpu().eval()
    named = {
        "network": network_digest(start, weights=True),
        "input": list(images.shape),
        "limit": limit_s,
        "seed": seed,
        "settings": chosen.record(),
        **(identity or {}),
    }
    run = _Run(start, (images,), latency, limit_s, fine_tune, chosen, seed, Checkpoint(folder, named), watch)
    return run.to_the_end()


class _Run:
    """One shrinking, from its checkpoint on."""

    def __init__(
        self,
        network: nn.Module,
        inputs: tuple[torch.Tensor, ...],
        latency: Latency,
        limit_s: float,
        fine_tune: FineTune,
        settings: NetAdaptSettings,
        seed: int,
        checkpoint: Checkpoint,
        watch: Callable[[Progress], None],
    ) -> None:
        self._begin = time.perf_counter()
        self._latency, self._limit_s, self._fine_tune = latency, limit_s, fine_tune
        self._settings, self._seed, self._checkpoint, self._watch = settings, seed, checkpoint, watch
        self._first_s = self._now_s = latency(network)
        whole, self._left_out = proved(network, inputs, Structure.of(network, inputs))
        self._sizes = granules(whole, settings.granule)
        if self._first_s > limit_s:
            check_sizes(network, whole, self._sizes, latency, limit_s)
        self._progressed: Progressed = checkpoint.read()
        self._structure, self._network = whole, network
        self._resume()
        self._resumed_s = self._now_s
        self._screen: Screen | None = None
        if self._now_s > limit_s and hasattr(latency, "screen"):
            self._screen = latency.screen(network, whole, self._tell)

    def _resume(self) -> None:
        steps = self._progressed.steps
        if steps:
            dropped = [channel for step in steps for channel in step.dropped]
            smaller = pruned(self._network, self._structure, dropped)
            self._structure = self._structure.without_channels(dropped)
            self._now_s = steps[-1].latency_s
            self._network = self._checkpoint.load(smaller, self._progressed)
        elif self._progressed.finished is not None:
            self._network = self._checkpoint.load(self._network, self._progressed)

    def to_the_end(self) -> Adapted:
        """All steps that are left, and the last fine-tuning."""
        while self._now_s > self._limit_s:
            self._step()
        if self._progressed.finished is None:
            self._tell("last fine-tuning")
            self._network, self._progressed.finished = self._finished()
            self._checkpoint.write(self._progressed, self._network)
        return Adapted(
            network=self._network.eval(),
            latency_s=self._now_s,
            first_s=self._first_s,
            accuracy=self._progressed.finished,
            steps=tuple(self._progressed.steps),
            structure=self._structure,
            left_out=self._left_out,
        )

    def _finished(self) -> tuple[nn.Module, float]:
        """The network after the last fine-tuning, or before it where that was better; and its accuracy."""
        steps = self._progressed.steps
        before = steps[-1].accuracy if steps else self._tuned(self._network, 0, "before the last")
        last = copy.deepcopy(self._network)
        try:
            after = self._tuned(last, self._settings.long_steps, "last")
        except TrainingDiverged:
            after = _DIVERGED
        return (self._network, before) if after < before else (last, after)

    def _step(self) -> None:
        number = len(self._progressed.steps)
        candidates = self._candidates(number)
        accuracies = self._progressed.accuracies
        # The best one that this run has tuned; all of them would take much memory.
        kept: tuple[Candidate, nn.Module] | None = None
        for place, candidate in enumerate(candidates, 1):
            if candidate.group in accuracies:
                continue
            self._tell(f"fine-tuning {candidate.group} ({place} of {len(candidates)})")
            network = self._compare(candidate, number)
            if kept is None or self._rank(candidate) < self._rank(kept[0]):
                kept = candidate, network
            self._checkpoint.write(self._progressed)
        alive = [candidate for candidate in candidates if accuracies[candidate.group] > _DIVERGED]
        if not alive:
            raise TrainingDiverged(
                f"every candidate of step {number + 1} diverged in its fine-tuning",
                "Give a lower learning rate",
            )
        best, latency_s = self._faster(sorted(alive, key=self._rank))
        if kept is None or kept[0] != best:
            # Its weights went, perhaps with an earlier run; they come again from the same seed.
            self._tell(f"fine-tuning {best.group} again")
            kept = best, self._compare(best, number)
        self._network, self._now_s = kept[1], latency_s
        self._structure = self._structure.without_channels(best.dropped)
        left = len(self._structure.group(best.group).channels)
        # Of a network that was just asked for.
        interval = getattr(self._latency, "interval", lambda _: None)(self._network)
        self._progressed.steps.append(
            Step(best.group, best.dropped, left, self._now_s, accuracies[best.group], len(candidates), interval)
        )
        self._progressed.accuracies = {}
        self._checkpoint.write(self._progressed, self._network)

    def _rank(self, candidate: Candidate) -> tuple[float, float]:
        """Lowest for the most accurate; of equal ones, for the fastest."""
        return -self._progressed.accuracies[candidate.group], candidate.latency_s

    def _without(self, dropped: Collection[int]) -> nn.Module:
        return pruned(self._network, self._structure, dropped).eval()

    def _faster(self, ranked: Sequence[Candidate]) -> tuple[Candidate, float]:
        """The first that is faster than the network, and its latency; others were only estimated to be."""
        for candidate in ranked:
            latency_s = candidate.latency_s
            if self._screen is not None:
                latency_s = self._latency(self._without(candidate.dropped))
            if latency_s < self._now_s:
                return candidate, latency_s
        raise self._stuck()

    def _stuck(self) -> OutOfReach:
        return OutOfReach(
            f"the latency stays at {format_seconds(self._now_s)}, above the limit of "
            f"{format_seconds(self._limit_s)}: no group of channels makes it faster",
            "Raise the limit, or give a smaller granule",
        )

    def _told(self, dropped: Collection[int]) -> float:
        """The latency without some channels: an estimate where there is one, scaled to the network at hand."""
        if self._screen is None:
            return self._latency(self._without(dropped))
        scale = self._now_s / self._screen(_counts(self._structure))
        return scale * self._screen(_counts(self._structure.without_channels(dropped)))

    def _compare(self, candidate: Candidate, number: int) -> nn.Module:
        """The network without a candidate's channels, fine-tuned; its accuracy is noted."""
        network = self._without(candidate.dropped)
        try:
            accuracy = self._tuned(network, self._settings.short_steps, f"step {number}")
        except TrainingDiverged:
            # The others may do better; its weights are of no use.
            accuracy = _DIVERGED
        self._progressed.accuracies[candidate.group] = accuracy
        return network

    def _candidates(self, number: int) -> list[Candidate]:
        """One for every group that can give the step's reduction; where none can, half of it, and so on."""
        reduction_s = self._settings.reduction * self._first_s * self._settings.decay**number
        for halving in range(_HALVINGS):
            found = self._within(max(self._limit_s, self._now_s - reduction_s / 2**halving))
            if found:
                break
        else:
            raise self._stuck()
        if self._settings.candidates is None:
            return found
        kept = {c.group for c in sorted(found, key=lambda c: c.lost)[: self._settings.candidates]}
        return [candidate for candidate in found if candidate.group in kept]

    def _within(self, at_most_s: float) -> list[Candidate]:
        found: list[Candidate] = []
        groups = self._structure.groups
        for place, group in enumerate(groups, 1):
            self._tell(f"choosing channels of {group.name} ({place} of {len(groups)})")
            candidate = choose(
                self._network, self._structure, group, self._sizes[group.name], self._told, at_most_s
            )
            if candidate is not None:
                found.append(candidate)
        return found

    def _tuned(self, network: nn.Module, steps: int, what: str) -> float:
        digest = hashlib.sha256(f"{self._seed} {what}".encode()).digest()
        with seeded(int.from_bytes(digest[:7])):
            accuracy = float(self._fine_tune(network, steps))
        network.eval()
        return accuracy

    def _tell(self, activity: str) -> None:
        elapsed_s = time.perf_counter() - self._begin
        done, left = self._resumed_s - self._now_s, self._now_s - self._limit_s
        steps = self._progressed.steps
        self._watch(
            Progress(
                step=len(steps) + 1,
                activity=activity,
                first_s=self._first_s,
                latency_s=self._now_s,
                limit_s=self._limit_s,
                accuracy=steps[-1].accuracy if steps else None,
                elapsed_s=elapsed_s,
                remaining_s=elapsed_s * left / done if done > 0 and left > 0 else None,
            )
        )


def _counts(structure: Structure) -> dict[str, int]:
    return {group.name: len(group.channels) for group in structure.groups}
