"""A training on disk: its state after an epoch and, once it is over, the weights of its best epoch.

Both are one file of safetensors: the network's tensors under their own names, what else a training needs to go
on under names with a slash, and all that is not a tensor as JSON in the header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.training.weights import put, read_tensors, write_tensors

#: Raised where older checkpoints cannot be gone on with.
_SCHEMA = 2
_BEST, _AVERAGE, _MOMENTUM = "best/", "average/", "momentum/"


@dataclass(frozen=True)
class Epoch:
    """What became of one epoch.

    Args:
        loss: Mean over its training images, label smoothing included.
        accuracy: On the validation images.
        seconds: Training and validation together [s].
    """

    loss: float
    accuracy: float
    seconds: float


@dataclass
class State:
    """A training between two epochs.

    Args:
        history: Of the epochs so far.
        best: Parameters and buffers of the best average; of equally good ones the last.
        finished: Whether no epoch is left; the network is the best one then.
    """

    history: list[Epoch] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    finished: bool = False

    @property
    def best_epoch(self) -> int:
        """From 1; 0 before the first."""
        if not self.history:
            return 0
        highest = max(epoch.accuracy for epoch in self.history)
        return max(n for n, epoch in enumerate(self.history, 1) if epoch.accuracy == highest)


def write_checkpoint(
    path: Path,
    state: State,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    of: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a training's state; the last one stays until the new one is complete.

    Args:
        path: Replaced.
        state: After an epoch, or finished.
        network: As it is in training; the best one of a finished training.
        average: Of the network over its training.
        optimizer: Of stochastic gradient descent with momentum.
        of: What the training is of: seed, settings, data and network.
        about: What else whoever uses the weights should know, such as how pixels are normalised; JSON-ready.

    Raises:
        UsageError: The file cannot be written.
    """
    tensors = dict(network.state_dict())
    if not state.finished:
        tensors |= {f"{_AVERAGE}{name}": tensor for name, tensor in average.state_dict().items()}
        if state.best_epoch < len(state.history):
            tensors |= {f"{_BEST}{name}": tensor for name, tensor in state.best.items()}
        for name, parameter in network.named_parameters():
            momentum = optimizer.state[parameter].get("momentum_buffer")
            if momentum is not None:
                tensors[f"{_MOMENTUM}{name}"] = momentum
    told = {
        **(about or {}),
        "schema": _SCHEMA,
        "of": dict(of),
        "finished": state.finished,
        "best_epoch": state.best_epoch,
        "history": [asdict(epoch) for epoch in state.history],
    }
    write_tensors(path, tensors, told)


def read_checkpoint(
    path: Path,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    of: Mapping[str, Any],
) -> State:
    """Bring a network, its average and its optimizer to where :func:`write_checkpoint` left them.

    Args:
        path: Where it was written; without a file there, nothing happens.
        network: Newly built, in the memory layout of the training.
        average: A copy of it.
        optimizer: Newly made, of its parameters.
        of: What the training is of.

    Raises:
        UsageError: The file cannot be read, or is of another training; the message names what differs.
    """
    if not path.exists():
        return State()
    tensors, told = read_tensors(path)
    again = "Give another folder, or remove the file to begin again"
    if told.get("schema") != _SCHEMA:
        raise UsageError(f"{path} is not a checkpoint of this hwnas", again)
    for key, value in of.items():
        if told["of"].get(key) != value:
            raise UsageError(f"{path} is a checkpoint of another training: its {key} differs", again)
    own = {n: t for n, t in tensors.items() if not n.startswith((_BEST, _AVERAGE, _MOMENTUM))}
    put(network, own, path)
    averages = _under(_AVERAGE, tensors) or own
    put(average, averages, path)
    momentum = _under(_MOMENTUM, tensors)
    for name, parameter in network.named_parameters():
        if name in momentum:
            # The parameter's own layout: another order of the same additions would round otherwise.
            kept = torch.empty_like(parameter, requires_grad=False).copy_(momentum[name])
            optimizer.state[parameter]["momentum_buffer"] = kept
    best = _under(_BEST, tensors) or averages
    return State([Epoch(**epoch) for epoch in told["history"]], best, told["finished"])


def _under(start: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
