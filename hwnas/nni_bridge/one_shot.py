"""One-shot searches of our spaces on real images, with NNI's strategies and a latency table."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hwnas.core.errors import OutOfMemory, TrainingDiverged, UnknownName, UsageError
from hwnas.core.units import format_bytes
from hwnas.core.workload import Scalar
from hwnas.host.memory import available_memory_bytes
from hwnas.nni_bridge.installed import (
    Callback,
    DataLoader,
    Lightning,
    LightningModule,
    RawFormatModelSpace,
    SequentialExecutionEngine,
    Trainer,
)
from hwnas.nni_bridge.profiler import LatencyProfiler
from hwnas.nni_bridge.quiet import quiet_logs
from hwnas.nni_bridge.samples import architecture_of, found_space
from hwnas.nni_bridge.steering import SteeredDARTS, SteeredGumbelDARTS, SteeredProxyless
from hwnas.nni_bridge.supernet import SupernetSpace
from hwnas.predicting.latency_table import LatencyTable
from hwnas.workloads.randomness import generator, seeded
from hwnas.workloads.spaces.space import Space

METHODS: dict[str, Any] = {"darts": SteeredDARTS, "gumbel": SteeredGumbelDARTS, "proxyless": SteeredProxyless}


@dataclass(frozen=True)
class Epoch:
    """Where a search stands.

    Args:
        number: Just finished, from 1.
        of: Epochs in all.
        loss: Mean cross-entropy of the weights' steps.
        expected_s: Mean latency of the networks that the probabilities stand for [s].
    """

    number: int
    of: int
    loss: float
    expected_s: float


@dataclass(frozen=True)
class OneShotFound:
    """What a one-shot search came to.

    Args:
        architecture: The likeliest option of every choice, in its canonical form. Train it from the beginning.
        latency_s: Its latency, from the table [s].
        expected_s: Mean latency of the networks that the probabilities stand for [s].
        probabilities: Choice -> option -> how likely it is.
        epochs: In their order.
    """

    architecture: dict[str, Scalar]
    latency_s: float
    expected_s: float
    probabilities: dict[str, dict[Scalar, float]]
    epochs: tuple[Epoch, ...]


def search_one_shot(
    space: Space | str,
    table: LatencyTable,
    images: Tensor,
    labels: Tensor,
    *,
    method: str = "darts",
    scale: float = 1.0,
    baseline_s: float | None = None,
    epochs: int = 20,
    batch: int = 64,
    learning_rate: float = 5e-3,
    choice_learning_rate: float = 0.02,
    warmup_epochs: int = 0,
    seed: int = 0,
    told: Callable[[Epoch], None] = lambda epoch: None,
) -> OneShotFound:
    """Search a space by training a supernet once, with the mean latency as a term of the loss.

    Half of the images train weights, the other half the probabilities of options. Runs on the CPU;
    deterministic in `seed` for a given version of PyTorch and number of threads.

    Args:
        space: Of the kind ``patterns`` or ``mbconv``, or its name, or the path of its file.
        table: Of the space.
        images: Floating-point numbers, shape ``(n, channels, height, width)``, as the space takes them; used in
            float32.
        labels: Int64 from 0, shape ``(n,)``.
        method: ``darts``, ``gumbel`` or ``proxyless``.
        scale: Weight of the latency in the loss: a mean latency of twice the baseline adds so much to the
            cross-entropy.
        baseline_s: Latency at which there is no penalty [s]; None for the mean of all networks.
        epochs: Passes through the images.
        batch: Images in a step.
        learning_rate: Of the weights.
        choice_learning_rate: Of the architecture parameters.
        warmup_epochs: Epochs, at first, in which weights alone learn.
        seed: Of weights, halves, order of images and draws.
        told: Called after every epoch.

    Raises:
        UnknownName: No such space or method.
        UsageError: Another kind of space, a table of other choices, images that do not fit, or a value that
            cannot be used.
        OutOfMemory: There is no room for a step.
        TrainingDiverged: A loss or a probability is not finite.
    """
    space = found_space(space)
    if method not in METHODS:
        raise UnknownName("one-shot method", method, METHODS)
    _check(space, images, labels, batch)
    table.check_space(space)
    _check_numbers(epochs, warmup_epochs, scale, learning_rate, choice_learning_rate)
    images = images.float()
    with seeded(seed), quiet_logs(), warnings.catch_warnings():
        # Lightning's advice on workers for data and on logging; images are in memory, and nothing is logged.
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        model_space = SupernetSpace(space)
        _check_memory(model_space, batch, method)
        profiler = LatencyProfiler(table, model_space)
        baseline = _uniform_s(table) if baseline_s is None else baseline_s
        strategy = METHODS[method](
            penalty={"profiler": profiler, "baseline": baseline, "scale": scale},
            arc_learning_rate=choice_learning_rate,
            warmup_epochs=warmup_epochs,
        )
        training = _Training(learning_rate)
        watcher = _Watcher(lambda: profiler.expected_s(strategy.probabilities()), training, told)
        evaluator = Lightning(
            training,
            Trainer(
                max_epochs=epochs,
                accelerator="cpu",
                devices=1,
                logger=False,
                callbacks=[watcher],
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            ),
            **_halves(images, labels, batch, seed),
        )
        try:
            strategy(RawFormatModelSpace(model_space, evaluator), SequentialExecutionEngine())
        except SystemExit as exit_:
            if not isinstance(exit_.__context__, KeyboardInterrupt):
                raise
            # What Lightning makes of Ctrl-C.
            raise KeyboardInterrupt from exit_
        probabilities = strategy.probabilities()
        expected_s = float(profiler.expected_s(probabilities).detach())
        if not math.isfinite(expected_s):
            raise _diverged()
    architecture = architecture_of(space, strategy.likeliest())
    return OneShotFound(
        architecture,
        table.latency(architecture),
        expected_s,
        {
            name: {option: float(p.detach()) for option, p in found.items()}
            for name, found in probabilities.items()
        },
        tuple(watcher.epochs),
    )


def _check(space: Space, images: Tensor, labels: Tensor, batch: int) -> None:
    if images.ndim != 4 or tuple(images.shape[1:]) != space.input_shape or not images.is_floating_point():
        raise UsageError(
            f"images have type {images.dtype} and shape {tuple(images.shape)}, but the space {space.name} "
            f"takes {'x'.join(map(str, space.input_shape))}",
            "Give floating-point images of that shape, or set input in a space of your own",
        )
    if not bool(torch.isfinite(images).all()):
        raise UsageError("the images hold values that are not finite", "Give finite ones")
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise UsageError(
            f"labels have type {labels.dtype} and shape {tuple(labels.shape)}",
            f"Give {len(images)} of type int64",
        )
    if len(images) and not 0 <= int(labels.min()) <= int(labels.max()) < space.classes:
        raise UsageError(
            f"labels run from {int(labels.min())} to {int(labels.max())}, but the space {space.name} has "
            f"{space.classes} classes",
            "Count them from 0",
        )
    if not 2 <= batch <= len(images) // 2:
        raise UsageError(f"the batch is {batch} of {len(images)} images", "Give 2 to half of the images")


def _check_numbers(
    epochs: int, warmup_epochs: int, scale: float, learning_rate: float, choice_learning_rate: float
) -> None:
    if epochs < 1:
        raise UsageError(f"the number of epochs is {epochs}", "Give 1 or more")
    if not 0 <= warmup_epochs < epochs:
        raise UsageError(
            f"weights alone would learn in {warmup_epochs} of {epochs} epochs", "Leave epochs for the choices"
        )
    for name, rate in (("learning_rate", learning_rate), ("choice_learning_rate", choice_learning_rate)):
        if not (math.isfinite(rate) and rate > 0):
            raise UsageError(f"{name} is {rate}", "Give a number above 0")
    if not (math.isfinite(scale) and scale >= 0):
        raise UsageError(f"the scale of the penalty is {scale}", "Give 0 or more")


def _check_memory(model_space: SupernetSpace, batch: int, method: str) -> None:
    needed, free = model_space.training_bytes(batch, mixed=method != "proxyless"), available_memory_bytes()
    if needed > free:
        raise OutOfMemory(
            f"the supernet of {model_space.space.name} takes about {format_bytes(needed)} for {batch} images, "
            f"and {format_bytes(free)} are free",
            "Give a smaller batch, or options that are fewer or narrower; proxyless takes least",
        )


def _uniform_s(table: LatencyTable) -> float:
    """Mean latency of all architectures [s]."""
    uniform = {
        name: torch.full((len(o),), 1 / len(o), dtype=torch.float64) for name, o in table.choices.items()
    }
    return float(table.expected(uniform))


def _halves(images: Tensor, labels: Tensor, batch: int, seed: int) -> dict[str, Any]:
    """Loaders of the images for the weights and of those for the probabilities."""
    order = torch.randperm(len(images), generator=generator(seed))
    halves = order[: len(order) // 2], order[len(order) // 2 : len(order) // 2 * 2]
    loaders = [
        DataLoader(TensorDataset(images[half], labels[half]), batch_size=batch, shuffle=True, drop_last=True)
        for half in halves
    ]
    return {"train_dataloaders": loaders[0], "val_dataloaders": loaders[1]}


def _diverged() -> TrainingDiverged:
    return TrainingDiverged(
        "the one-shot search diverged: its loss or its probabilities are not finite",
        "Give a lower learning_rate or choice_learning_rate",
    )


class _Training(LightningModule):
    """Cross-entropy and Adam.

    NNI calls :meth:`training_step` twice for each step: with images for the probabilities and an even number,
    then with images for the weights and an odd one.
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self._learning_rate = learning_rate
        self.losses: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.model(images)
        return scores

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = nn.functional.cross_entropy(self(images), labels)
        if not bool(torch.isfinite(loss)):
            raise _diverged()
        if batch_idx % 2:
            self.losses.append(loss.detach())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self._learning_rate)


class _Watcher(Callback):
    """Notes every epoch."""

    def __init__(
        self, expected_s: Callable[[], Tensor], training: _Training, told: Callable[[Epoch], None]
    ) -> None:
        self._expected_s, self._training, self._told = expected_s, training, told
        self.epochs: list[Epoch] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        loss = float(torch.stack(self._training.losses).mean())
        self._training.losses.clear()
        expected_s = float(self._expected_s().detach())
        self.epochs.append(Epoch(trainer.current_epoch + 1, trainer.max_epochs, loss, expected_s))
        self._told(self.epochs[-1])
