"""What a user asks of a search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from hwnas.core.errors import UsageError

#: Costs that are counted, and may be limited.
COUNTS = ("macs", "parameters", "weights", "memory")
NETADAPT = "netadapt"
#: Options that may be others when a search goes on: it goes on for longer, or ends otherwise.
CHANGEABLE = ("trials", "budget_s", "finalists", "final_seeds")
#: NumPy's older generators take no larger ones; NNI draws by them, and what tells how choices mattered.
_SEEDS = 2**32


@dataclass(frozen=True)
class SearchOptions:
    """A search, JSON-ready by :meth:`to_dict`.

    Args:
        space: Name of a space, or its file.
        backend: Full id: whose latency counts where none is limited by name.
        max_latency_s: Backend -> the most that one inference may take [s].
        max_count: One of :data:`COUNTS` -> the most that there may be; sizes in bytes.
        confidence: A network is trained where every limit holds so surely.
        threads: Threads of every backend.
        batch: Images in one inference.
        data: Name of the images, as :func:`hwnas.training.datasets.load_data` takes it; None for those of the
            network where the search starts from a folder, else for digits where networks are trained, and for
            none where another evaluator tells accuracies.
        image_size: Of the images of a folder; None for the usual size.
        accuracy: Name of an evaluator, as :func:`hwnas.training.evaluators.find_evaluator` takes it.
        epochs: Of a training; None for what suits the data.
        trials: Networks to evaluate; None for 20, or for any number where `budget_s` ends the search.
        budget_s: Time after which no evaluation is begun [s]; None for any.
        engine: ``optuna``, ``nni`` or ``netadapt``.
        sampler: Of the engine; None for its usual one.
        seed: Of all that is random, below 2**32.
        prune: Give up trainings whose time is better spent on others
            (:class:`hwnas.searching.curve_pruner.CurvePruner`).
        measurements: Networks that may be measured to learn latencies from, for each backend; 0 for the
            predictor's word alone.
        predictor: Folder of a predictor; None for the one that suits the host, where there is one.
        finalists: Networks that are trained with several seeds and measured in the end.
        final_seeds: So many.
        start: Network that NetAdapt shrinks: a model's name, or the folder of an export or a search.

    Raises:
        UsageError: A value is out of range; the message names it.
    """

    space: str = "patterns"
    backend: str = "openvino:cpu:fp32"
    max_latency_s: Mapping[str, float] = field(default_factory=dict)
    max_count: Mapping[str, float] = field(default_factory=dict)
    confidence: float = 0.9
    threads: int = 1
    batch: int = 1
    data: str | None = None
    image_size: int | None = None
    accuracy: str = "train"
    epochs: int | None = None
    trials: int | None = None
    budget_s: float | None = None
    engine: str = "optuna"
    sampler: str | None = None
    seed: int = 0
    prune: bool = True
    measurements: int = 48
    predictor: str | None = None
    finalists: int = 3
    final_seeds: int = 3
    start: str | None = None

    def __post_init__(self) -> None:
        for name in ("threads", "batch", "trials", "finalists", "final_seeds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}", "Give at least 1")
        if not 0 <= self.seed < _SEEDS:
            raise UsageError(f"the seed is {self.seed}", f"Give a whole number from 0 to {_SEEDS - 1}")
        for what, limits in (("latency", self.max_latency_s), ("count", self.max_count)):
            for name, most in limits.items():
                if not (math.isfinite(most) and most > 0):
                    raise UsageError(f"the {what} limit of {name} is {most}", "Give a positive number")
        if not 0.5 <= self.confidence < 1:
            raise UsageError(f"the confidence is {self.confidence}", "Give a share from 0.5 up to, but not, 1")
        if self.measurements < 0 or self.measurements == 1:
            raise UsageError(f"{self.measurements} measurements", "Give 0, or 2 and more to learn from")
        if self.budget_s is not None and not 0 < self.budget_s < math.inf:
            raise UsageError(f"the time is {self.budget_s} s", "Give a positive one, such as 20m")
        if self.engine == NETADAPT and self.start is None:
            raise UsageError(
                "the engine netadapt has no network to start from", "Name one, such as --start zoo:mobilenet_v2"
            )
        if self.engine != NETADAPT and self.start is not None:
            raise UsageError(f"the engine {self.engine} starts from nothing", "Add --engine netadapt")

    @property
    def backends(self) -> tuple[str, ...]:
        """Whose latencies are told, each once."""
        return tuple(self.max_latency_s) or (self.backend,)

    @property
    def limited(self) -> bool:
        """Whether a latency is limited; else it is traded against accuracy."""
        return bool(self.max_latency_s)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchOptions:
        """Rebuild from :meth:`to_dict`.

        Raises:
            UsageError: An option is unknown, or a value out of range.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise UsageError(f"the option {unknown[0]} is not one of a search", "Was another version at work?")
        return cls(**data)
