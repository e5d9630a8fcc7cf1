"""What a shrinking has reached, on disk: complete at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from hwnas.core.errors import UsageError
from hwnas.netadapt.resizing import resize
from hwnas.training.weights import put, read_tensors, write_tensors

#: Raised when older checkpoints must not be read any more.
SCHEMA = 2
_STEPS = "netadapt.json"


@dataclass(frozen=True)
class Step:
    """One step of a shrinking.

    Args:
        group: Whose channels went.
        dropped: Their labels.
        channels: How many the group has left.
        latency_s: Of the network after the step [s].
        accuracy: Of the network after the step, fine-tuned.
        tried: Candidates that were compared.
        interval_s: Latency and the ends of its interval, where those could be told [s].
    """

    group: str
    dropped: tuple[int, ...]
    channels: int
    latency_s: float
    accuracy: float
    tried: int
    interval_s: tuple[float, float, float] | None = None


@dataclass
class Progressed:
    """What is remembered.

    Args:
        steps: Finished ones, in their order.
        accuracies: Of the next step: group -> accuracy of its candidate.
        finished: The accuracy after the last fine-tuning; None before.
    """

    steps: list[Step] = field(default_factory=list)
    accuracies: dict[str, float] = field(default_factory=dict)
    finished: float | None = None


class Checkpoint:
    """A folder that remembers; without one, nothing is kept.

    Args:
        folder: Made where it is missing; None for none.
        identity: What makes a shrinking another one: start, limit, seed, settings. JSON-ready.
    """

    def __init__(self, folder: Path | None, identity: Mapping[str, Any]) -> None:
        self._folder = folder
        self._identity = json.loads(json.dumps(identity))

    def read(self) -> Progressed:
        """What an earlier run has reached; nothing where there was none.

        Raises:
            UsageError: The folder holds another shrinking, or its file is damaged.
        """
        if self._folder is None or not (self._folder / _STEPS).exists():
            return Progressed()
        path = self._folder / _STEPS
        hint = "Give another folder, or remove this one"
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["schema"] != SCHEMA:
                raise UsageError(f"{path} has the schema {told['schema']!r}, not {SCHEMA}", hint)
            if told["identity"] != self._identity:
                other = sorted(k for k, v in self._identity.items() if told["identity"].get(k) != v)
                raise UsageError(f"{path} is of another run: its {', '.join(other)} differ", hint)
            steps = [_step(step) for step in told["steps"]]
            return Progressed(steps, dict(told["accuracies"]), told["finished"])
        except UsageError:
            raise
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} cannot be read: {error}", hint) from error

    def load(self, network: nn.Module, progressed: Progressed) -> nn.Module:
        """The network after the last finished step.

        Args:
            network: Without that step's channels; changed in place.
            progressed: That :meth:`read` gave, with steps.

        Raises:
            UsageError: Its weights are missing or damaged.
        """
        path = self._weights(progressed)
        tensors, _ = read_tensors(path)
        resize(network, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
        put(network, tensors, path)
        return network.eval()

    def write(self, progressed: Progressed, network: nn.Module | None = None) -> None:
        """Remember.

        Args:
            progressed: All of it.
            network: After the last finished step, or the last fine-tuning; None where its weights are there.

        Raises:
            UsageError: The folder cannot be written.
        """
        if self._folder is None:
            return
        told = {
            "schema": SCHEMA,
            "identity": self._identity,
            "steps": [asdict(step) for step in progressed.steps],
            "accuracies": progressed.accuracies,
            "finished": progressed.finished,
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if network is not None:
                write_tensors(self._weights(progressed), network.state_dict(), {})
            # After the weights, which it says are there.
            part = self._folder / f".part-{_STEPS}"
            part.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
            part.replace(self._folder / _STEPS)
            for old in self._folder.glob("step-*.safetensors"):
                if old != self._weights(progressed):
                    old.unlink()
        except OSError as error:
            raise UsageError(
                f"cannot write to {self._folder}: {error.strerror}", "Give another folder"
            ) from error

    def _weights(self, progressed: Progressed) -> Path:
        if self._folder is None:
            raise UsageError("there is no folder to read weights from", "Give one")
        number = "last" if progressed.finished is not None else f"{len(progressed.steps):03d}"
        return self._folder / f"step-{number}.safetensors"


def _step(told: Mapping[str, Any]) -> Step:
    interval_s = told["interval_s"]
    return Step(
        **{
            **told,
            "dropped": tuple(told["dropped"]),
            "interval_s": None if interval_s is None else tuple(interval_s),
        }
    )
