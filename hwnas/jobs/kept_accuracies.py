"""Accuracies that a user's own evaluator has told, kept in the folder of the search."""

from __future__ import annotations

import math
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.jobs.folder import ACCURACIES, SearchFolder
from hwnas.training.accuracy import Accuracy, AccuracyEvaluator, Report


def _record(found: Accuracy) -> dict[str, Any]:
    """JSON-ready, whatever kind of numbers a user's code has given."""
    return {
        "value": float(found.value),
        "n_images": None if found.n_images is None else int(found.n_images),
        "interval": None if found.interval is None else [float(end) for end in found.interval],
        "epochs": int(found.epochs),
        "seconds": float(found.seconds) if math.isfinite(found.seconds) else 0.0,
    }


class KeptAccuracies:
    """Asks an evaluator once for each network, seed and number of epochs, in all runs of a search.

    Trainings of ours are kept as files of weights; of somebody else's evaluator this is all that can be kept.

    Args:
        evaluator: To ask.
        folder: Of the search.

    Raises:
        UsageError: What an earlier run has kept cannot be read.
    """

    def __init__(self, evaluator: AccuracyEvaluator, folder: SearchFolder) -> None:
        self._evaluator, self._folder = evaluator, folder
        self.seeded = bool(getattr(evaluator, "seeded", True))
        self._known: dict[str, dict[str, Any]] = {}
        if (folder.path / ACCURACIES).exists():
            self._known = folder.read(ACCURACIES)

    def evaluate(
        self, workload: Workload, *, seed: int = 0, epochs: int | None = None, report: Report | None = None
    ) -> Accuracy:
        """See :class:`hwnas.training.accuracy.AccuracyEvaluator`; what is known is not reported again."""
        key = f"{workload.key} {seed} {epochs}"
        if key not in self._known:
            found = self._evaluator.evaluate(workload, seed=seed, epochs=epochs, report=report)
            self._known[key] = _record(found)
            self._folder.write(ACCURACIES, self._known)
        return self._read(key)

    def _read(self, key: str) -> Accuracy:
        told = self._known[key]
        try:
            interval = told["interval"]
            return Accuracy(
                told["value"],
                told["n_images"],
                None if interval is None else (interval[0], interval[1]),
                told["epochs"],
                told["seconds"],
            )
        except (LookupError, TypeError) as error:
            path = self._folder.path / ACCURACIES
            raise UsageError(
                f"{path} is damaged: {error!r}", "Move it away: accuracies are asked for again"
            ) from error
