"""Rounds of a NetAdapt search: what was measured before each, and what the predictor was asked for in it.

A limit that was told by one host's measurements and one predictor means nothing to others: each pair has a
folder of its own, where a search that comes back to them goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hwnas.core.errors import UsageError
from hwnas.core.units import format_seconds
from hwnas.jobs.folder import SearchFolder
from hwnas.measuring.statistics import Estimate
from hwnas.searching.trial import Cost

_FILE = "rounds.json"
#: What is aimed at lies so far below the limit that a measurement's interval does not reach it: as far as one
#: of eight passes usually does, or as the last one did and a little more.
_MARGIN, _BEYOND = 1.03, 1.01


@dataclass(frozen=True)
class Round:
    """One shrinking, and the network that it began with.

    Args:
        measured_s: Latency of that network [s].
        predicted_s: What the predictor says of it: latency and the ends of its 90 % interval [s].
        limit_s: What the upper end of the predictor's interval was brought below [s].
    """

    measured_s: float
    predicted_s: tuple[float, float, float]
    limit_s: float

    @classmethod
    def after(cls, measured: Estimate, predicted_s: tuple[float, float, float], limit_s: float) -> Round:
        """The predictor's word, made true by what was measured, says what to ask it for.

        Args:
            measured: Of the network at hand.
            predicted_s: Of the same network: latency and the ends of its interval [s].
            limit_s: Of the search: the most that an inference may take [s].
        """
        seen_s = max(_MARGIN * measured.latency_s, _BEYOND * measured.high_s)
        return cls(measured.latency_s, predicted_s, limit_s * predicted_s[2] / seen_s)

    @property
    def told(self) -> str:
        """For people: how far the predictor was off."""
        ratio = self.measured_s / self.predicted_s[2]
        return f"measured {format_seconds(self.measured_s)}, {ratio:.2f} times what the predictor allows for"

    def corrected(self, predicted_s: tuple[float, float, float]) -> Cost:
        """What is thought of a network of this round: the predictor's word times how far it was off.

        Args:
            predicted_s: Latency and the ends of its interval [s].
        """
        factor = self.measured_s / self.predicted_s[0]
        middle, low, high = (factor * value for value in predicted_s)
        return Cost(middle, low, high)


class Rounds:
    """The rounds of one host and one predictor, on disk.

    Args:
        path: Folder of all of them.
        host: Fingerprint of the environment.
        predictor: Digest of the predictor.
    """

    def __init__(self, path: Path, host: str, predictor: str) -> None:
        self._all = path
        self._own = SearchFolder(path / f"{host}-{predictor}")

    @property
    def elsewhere(self) -> bool:
        """Whether there are only rounds of other hosts or predictors."""
        return self._all.exists() and not self._own.path.exists()

    def folder(self, number: int) -> Path:
        """Where the steps of a round are, from 0."""
        return self._own.path / str(number + 1)

    def read(self) -> list[Round]:
        """Those so far.

        Raises:
            UsageError: The file is damaged.
        """
        path = self._own.path / _FILE
        if not path.exists():
            return []
        told = self._own.read(_FILE)
        try:
            return [
                Round(float(r["measured_s"]), _interval(r["predicted_s"]), float(r["limit_s"]))
                for r in told["rounds"]
            ]
        except (LookupError, TypeError, ValueError) as error:
            raise UsageError(
                f"{path} is damaged: {error!r}", f"Remove {self._own.path}: the network is shrunk again"
            ) from error

    def write(self, rounds: Sequence[Round]) -> None:
        """Keep them.

        Raises:
            UsageError: The file cannot be written.
        """
        self._own.write(_FILE, {"rounds": [asdict(one) for one in rounds]})


def _interval(told: Sequence[float]) -> tuple[float, float, float]:
    middle, low, high = map(float, told)
    return middle, low, high
