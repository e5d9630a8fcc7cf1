"""The training loop: plain PyTorch, the same numbers from the same seed, also across a kill and a resume."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hwnas.core.errors import OutOfMemory, TrainingDiverged, UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line, is_out_of_memory
from hwnas.training.accuracy import Accuracy, EpochReport, Report
from hwnas.training.averaging import WeightAverage
from hwnas.training.checkpoint import Epoch, State, read_checkpoint, write_checkpoint
from hwnas.training.image_data import ImageData, Part
from hwnas.training.intervals import wilson
from hwnas.training.schedule import learning_rate
from hwnas.training.settings import TrainingSettings
from hwnas.workloads.randomness import seeded

#: Images of one batch while nothing is learned: activations of many more leave the caches, and take three
#: times as long.
_EVALUATED_AT_ONCE = 64
#: Images that tell an average's statistics.
_STATISTICS_IMAGES = 1024


@dataclass(frozen=True, eq=False)
class Trained:
    """A network and how it came to be.

    Args:
        network: In eval mode, with the averaged weights of its best epoch on the validation images.
        accuracy: Of that epoch, on the validation images, which chose it.
        best_epoch: From 1.
        history: Of all epochs; accuracies are of averages (:class:`hwnas.training.averaging.WeightAverage`).
    """

    network: nn.Module
    accuracy: Accuracy
    best_epoch: int
    history: tuple[Epoch, ...]


def train(
    network: nn.Module,
    data: ImageData,
    settings: TrainingSettings | None = None,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    model: str = "",
    report: Report | None = None,
) -> Trained:
    """Train a network.

    Everything random comes from the seed and the number of the epoch: with equal software, threads and
    processor, equal calls give equal weights to the last bit, whether or not they were interrupted.

    Args:
        network: Maps float32 images ``(n, channels, height, width)`` to scores ``(n, classes)``. It is trained
            in place, and goes over to channels-last memory, in which a CPU trains faster.
        data: To learn and to be tested on.
        settings: None for those that suit the number of images.
        seed: Of the order of the images, of their augmentation, and of the network's own randomness such as
            dropout.
        checkpoint: A file that is written after every epoch, and gone on from where it exists. In the end it
            holds the weights of the best epoch, and :func:`hwnas.training.weights.load_weights` reads it.
        model: What the network is, for the checkpoint.
        report: Told of every epoch, those of an earlier run first. What it raises ends the training, and stays
            as it is; a checkpoint has been written before.

    Raises:
        OutOfMemory: The network's training does not fit into memory.
        TrainingDiverged: Loss or gradient are not finite.
        UsageError: The network does not fit the data or cannot be copied, or the checkpoint is of another
            training.
    """
    chosen = settings or TrainingSettings.for_images(len(data.train))
    if checkpoint is None or not checkpoint.exists():
        check_scores(network, data)
    network.to(memory_format=torch.channels_last)
    with _within_memory():
        # Here the network is copied.
        run = _Run(network, data, chosen, seed, checkpoint, model)
    try:
        run.to_the_end(report or (lambda _: None))
    finally:
        network.eval()
    state = run.state
    best = state.history[state.best_epoch - 1]
    count = len(data.validation)
    seconds = sum(epoch.seconds for epoch in state.history)
    found = Accuracy(best.accuracy, count, wilson(best.accuracy, count), len(state.history), seconds)
    return Trained(network, found, state.best_epoch, tuple(state.history))


def accuracy_on(network: nn.Module, data: ImageData, part: Part) -> Accuracy:
    """How many images of a part a network classifies right.

    Args:
        network: Trained on `data`; in eval mode afterwards.
        data: Gives the normalisation.
        part: One of its parts.
    """
    network.eval()
    begin = time.perf_counter()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(part), _EVALUATED_AT_ONCE):
            some = slice(start, start + _EVALUATED_AT_ONCE)
            scores = network(data.normalised(part.images[some]))
            right += int((scores.argmax(1) == part.labels[some]).sum())
    share = right / len(part)
    return Accuracy(share, len(part), wilson(share, len(part)), seconds=time.perf_counter() - begin)


class _Run:
    """One training, from its checkpoint on."""

    def __init__(
        self,
        network: nn.Module,
        data: ImageData,
        settings: TrainingSettings,
        seed: int,
        checkpoint: Path | None,
        model: str,
    ) -> None:
        self._network, self._data, self._settings = network, data, settings
        self._seed, self._checkpoint, self._model = seed, checkpoint, model
        self._images = min(settings.epoch_images, len(data.train))
        self._steps = max(1, self._images // settings.batch)
        self._optimizer = _optimizer(network, settings)
        self._average = WeightAverage(network)
        self.state = State()
        if checkpoint is not None:
            average = self._average.network
            self.state = read_checkpoint(checkpoint, network, average, self._optimizer, self._of())
            self._average.go_on_at(len(self.state.history) * self._steps)

    def _of(self) -> dict[str, Any]:
        """What makes this training another one than others."""
        return {
            "model": self._model,
            "data": self._data.digest,
            "seed": self._seed,
            "settings": asdict(self._settings),
        }

    def _keep(self) -> None:
        if self._checkpoint is not None:
            write_checkpoint(
                self._checkpoint,
                self.state,
                self._network,
                self._average.network,
                self._optimizer,
                self._of(),
                self._data.record(),
            )

    def to_the_end(self, report: Report) -> None:
        """All epochs that are left."""
        for number in range(1, len(self.state.history) + 1):
            report(self._told(number, replayed=True))
        while not self._over():
            begin = time.perf_counter()
            number = len(self.state.history) + 1
            with seeded(_seed_of(self._seed, "epoch", number)), _within_memory():
                loss = self._epoch(number)
                self._average.renew_statistics(self._plain_batches(number))
                found = accuracy_on(self._average.network, self._data, self._data.validation)
            self.state.history.append(Epoch(loss, found.value, time.perf_counter() - begin))
            if self.state.best_epoch == number:
                averaged = self._average.network.state_dict()
                self.state.best = {name: tensor.clone() for name, tensor in averaged.items()}
            self._keep()
            report(self._told(number))
        if not self.state.finished:
            self._network.load_state_dict(self.state.best)
            self.state.finished = True
            self._keep()

    def _over(self) -> bool:
        accuracies = [epoch.accuracy for epoch in self.state.history]
        if self.state.finished or len(accuracies) >= self._settings.epochs:
            return True
        since_better = len(accuracies) - accuracies.index(max(accuracies)) - 1 if accuracies else 0
        return since_better >= self._settings.patience

    def _told(self, number: int, *, replayed: bool = False) -> EpochReport:
        epochs = self.state.history[:number]
        elapsed = sum(epoch.seconds for epoch in epochs)
        left = self._settings.epochs - number
        return EpochReport(
            epoch=number,
            epochs=self._settings.epochs,
            accuracy=epochs[-1].accuracy,
            loss=epochs[-1].loss,
            elapsed_s=elapsed,
            remaining_s=elapsed / number * left,
            replayed=replayed,
        )

    def _epoch(self, number: int) -> float:
        """Train for one epoch; returns the mean loss."""
        settings = self._settings
        self._network.train()
        source = torch.Generator().manual_seed(_seed_of(self._seed, "augmentation", number))
        total = 0.0
        for step, places in enumerate(self._places(number).tensor_split(self._steps)):
            rate = learning_rate(
                (number - 1) * self._steps + step,
                settings.epochs * self._steps,
                settings.learning_rate,
                settings.warmup,
            )
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            some = self._data.train.take(places)
            moved = self._data.augmentation(some.images, source)
            loss = self._step(self._data.normalised(moved), some.labels)
            if not math.isfinite(loss):
                raise TrainingDiverged(
                    f"the training diverged in epoch {number}: its loss or gradient is not finite",
                    f"Give a learning rate below {settings.learning_rate}",
                )
            total += loss * len(places)
        return total / self._images

    def _plain_batches(self, number: int) -> Iterator[torch.Tensor]:
        """Some images of an epoch, not augmented."""
        places = self._places(number)[:_STATISTICS_IMAGES]
        for some in places.tensor_split(max(1, len(places) // self._settings.batch)):
            yield self._data.normalised(self._data.train.images[some])

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One step of the optimizer; returns the loss, or what is not finite of loss and gradient's length."""
        self._optimizer.zero_grad()
        scores = self._network(images)
        loss = functional.cross_entropy(scores, labels, label_smoothing=self._settings.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        length = float(nn.utils.clip_grad_norm_(self._network.parameters(), self._settings.clip_norm))
        if not math.isfinite(length):
            return length
        self._optimizer.step()
        self._average.follow(self._network)
        return float(loss.detach())

    def _places(self, number: int) -> torch.Tensor:
        """The training images of an epoch: the next ones of an endless row of shuffled wholes."""
        whole = len(self._data.train)
        first, last = (number - 1) * self._images, number * self._images
        rounds = range(first // whole, (last - 1) // whole + 1)
        row = torch.cat([_shuffled(whole, _seed_of(self._seed, "round", n)) for n in rounds])
        begin = first - rounds.start * whole
        return row[begin : begin + self._images]


def check_scores(network: nn.Module, data: ImageData) -> None:
    """Two images through the network, before hours are spent on it.

    Args:
        network: Set to eval mode; not changed otherwise.
        data: Whose classes it should tell.

    Raises:
        OutOfMemory: There is no room for two images.
        UsageError: It cannot run on the images, or gives something else than scores, in training or after it.
    """
    network.eval()
    images = data.normalised(data.train.images[:2])
    _check_output(network, images, data, "")
    # Running statistics move meanwhile.
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        with seeded(0):
            _check_output(network.train(), images, data, " in training mode")
    finally:
        network.eval()
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(kept[name])


def _check_output(network: nn.Module, images: torch.Tensor, data: ImageData, mode: str) -> None:
    shape = "x".join(map(str, images.shape))
    hint = f"It should give scores of shape 2x{data.classes} for images of shape {shape}"
    if mode:
        hint += ", without auxiliary ones"
    try:
        with torch.no_grad(), _within_memory():
            scores = network(images)
    except OutOfMemory:
        raise
    except FOREIGN_CODE_ERRORS as error:
        raise UsageError(
            f"the network cannot be trained on {data.name}{mode}: {in_one_line(error)}", hint
        ) from error
    if not isinstance(scores, torch.Tensor) or scores.shape != (2, data.classes):
        shaped = isinstance(scores, torch.Tensor)
        found = (
            f"has the shape {'x'.join(map(str, scores.shape))}" if shaped else f"is a {type(scores).__name__}"
        )
        raise UsageError(f"the network cannot be trained on {data.name}: its output{mode} {found}", hint)


@contextmanager
def _within_memory() -> Iterator[None]:
    """What torch says of memory, as an error of ours."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise OutOfMemory("the training does not fit into memory", "Give a smaller batch") from error
        raise


def _shuffled(count: int, seed: int) -> torch.Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def _seed_of(seed: int, what: str, number: int) -> int:
    """A seed of its own for everything random, so that no state of a generator needs to be kept."""
    return int.from_bytes(hashlib.sha256(f"{seed} {what} {number}".encode()).digest()[:7])


def _optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.SGD:
    """Weight decay for matrices and kernels alone."""
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=True,
    )
