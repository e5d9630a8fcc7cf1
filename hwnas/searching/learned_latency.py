"""Latency of a space's networks, learned from a few of them that were measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hwnas.core.errors import CellError, UsageError
from hwnas.predicting.encoded import EncodedPredictor, most_telling
from hwnas.searching.choice_kinds import encoding
from hwnas.searching.codes import codes_of
from hwnas.searching.cost_model import CostModel
from hwnas.searching.estimate import Estimate
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space

#: Spaces with more combinations are not walked through to find the networks that tell most.
_WALKED = 20_000
_POOL = 2000
#: Of a latency that matters, what counts as near it; and how many such networks there must be for each that is
#: measured first.
_NEARBY, _ENOUGH = (0.4, 2.0), 10
#: An error that a measured latency is never thought to be below, where few of them happen to agree.
_LEAST_SPREAD = 0.01

#: No estimate is below this share of the lowest measured latency: sums of parts may come out as nothing, where
#: little is known.
_LOWEST = 0.25
#: Logarithm of measured over prior: before anything was seen, it does not grow with that of the prior, give or
#: take a standard deviation; and what is left has this one.
_SLOPE_SD, _REST_SD = 0.5, 0.15

#: Latencies of some networks [s], None for one that cannot be measured.
Measure = Callable[[Sequence[Architecture]], Sequence[float | None]]


class LearnedLatency(CostModel):
    """A Gaussian process over choices (:class:`hwnas.predicting.encoded.EncodedPredictor`).

    Some networks are measured to begin with, those that tell most; the rest of the budget is for networks that
    the search wants and the model cannot decide.

    Args:
        space: Whose networks.
        measure: Measures some: their latencies [s].
        name: Of the cost.
        budget: How many networks may be measured in all.
        first: How many of them to begin with, at least two.
        error: Standard deviation of a measured latency's logarithm.
        near: Where a prior is given, the first networks are those whose latency it puts near this [s], such as
            the limit, if it knows enough of them; None for any.
        prior: Another estimate of the same latency, such as a table's. Measurements say by which power of it
            latencies go; the process learns their ratio to that.
        seed: Of what is measured first, in large spaces.

    Raises:
        UsageError: A number is out of range.
    """

    unit = "s"

    def __init__(
        self,
        space: Space,
        measure: Measure,
        *,
        name: str = "latency",
        budget: int = 20,
        first: int = 10,
        error: float = 0.0,
        prior: CostModel | None = None,
        near: float | None = None,
        seed: int = 0,
    ) -> None:
        if not 2 <= first <= budget:
            raise UsageError(
                f"{first} of {budget} latencies would be measured first",
                "Measure at least two first",
            )
        self.name = name
        self._codes = codes_of(space)
        self._encoding = encoding(space)
        self._measure, self._budget, self._first = measure, budget, first
        self._error, self._prior, self._near, self._seed = error, prior, near, seed
        self._measured: dict[str, float] = {}
        self._foretold: dict[str, Estimate] = {}
        #: Of those to begin with: asked for once.
        self._unmeasurable: set[str] = set()
        self._model: EncodedPredictor | None = None

    def prepare(self) -> None:
        """Measure the first networks now rather than when the model is first asked.

        Raises:
            CellError: They cannot be measured.
        """
        self._fitted()

    @property
    def measurements_left(self) -> int:
        """Of the budget, once the first ones are measured."""
        self._fitted()
        return self._budget - len(self._measured)

    @property
    def measured(self) -> Mapping[str, float]:
        """Compact text of the architecture -> latency [s]."""
        return dict(self._measured)

    def remember(self, measured: Mapping[str, float]) -> None:
        """Take over what an earlier run has measured; it counts against the budget."""
        self._measured.update(measured)
        self._model = None

    def is_measured(self, architecture: Architecture) -> bool:
        """Whether an estimate of the network is what was measured."""
        return self._text(architecture) in self._measured

    def foretold(self, architecture: Architecture) -> Estimate | None:
        """What was told of a measured network before; of the first ones what the prior said, if it told.

        None for those that an earlier run has measured.
        """
        return self._foretold.get(self._text(architecture))

    def measure(self, architectures: Sequence[Architecture]) -> None:
        """Measure networks, and learn from them.

        Raises:
            CellError: None of them can be measured.
        """
        before = {self._text(architecture): self.estimate(architecture) for architecture in architectures}
        found = self._measure(architectures)
        for text, latency_s in zip(before, found, strict=True):
            if latency_s is not None:
                self._measured[text] = latency_s
                self._foretold[text] = before[text]
                self._model = None
        if all(latency_s is None for latency_s in found):
            raise CellError(f"{self.name} of {', '.join(before)} cannot be measured")

    def estimate(self, architecture: Architecture) -> Estimate:
        """Of length 1; what was measured is known but for its error."""
        return self.screen(self._codes.encode([architecture]))

    def screen(self, codes: np.ndarray) -> Estimate:
        """Of many networks, shape ``(n, choices)``."""
        model = self._fitted()
        mean, deviation = model.predict(codes)
        mean, deviation = (self._from_prior(codes) * found for found in (mean, deviation))
        median = np.maximum(mean, _LOWEST * self._latencies_s.min())
        spread = np.maximum(deviation / median, _LEAST_SPREAD)
        for row, latency_s in zip(self._rows, self._latencies_s, strict=True):
            same = (codes == row).all(axis=1)
            median[same], spread[same] = latency_s, self._error
        return Estimate(median, spread)

    def _text(self, architecture: Architecture) -> str:
        space = self._codes.space
        return space.compact(space.canonical(architecture))

    def _prior_means(self, codes: np.ndarray) -> np.ndarray | None:
        if self._prior is None:
            return None
        found = self._prior.screen(codes)
        if found is None:
            estimates = [self._prior.estimate(self._codes.decode(row)) for row in codes]
            return np.array([e.median[0] for e in estimates])
        return found.median

    def _fitted(self) -> EncodedPredictor:
        if self._model is None:
            self._measure_first()
            space = self._codes.space
            self._rows = self._codes.encode(space.parse(text) for text in self._measured)
            self._latencies_s = np.array(list(self._measured.values()))
            self._power = _power_law(self._prior_means(self._rows), self._latencies_s)
            ratios = self._latencies_s / self._from_prior(self._rows)
            self._model = EncodedPredictor(self._encoding).fit(self._rows, ratios)
        return self._model

    def _from_prior(self, codes: np.ndarray) -> np.ndarray:
        """What the prior says, made true by what was measured; 1 without a prior."""
        prior = self._prior_means(codes)
        if prior is None:
            return np.ones(len(codes))
        factor, slope = self._power
        return np.asarray(np.exp(factor + (1 + slope) * np.log(prior)))

    def _measure_first(self) -> None:
        if len(self._measured) + len(self._unmeasurable) >= self._first:
            return
        rng = np.random.default_rng(self._seed)
        small = self._codes.combinations <= _WALKED
        pool = self._nearby(self._codes.everything if small else self._codes.sample(_POOL, rng))
        telling = [
            self._codes.decode(pool[p]) for p in most_telling(self._encoding, pool, self._first, self._seed)
        ]
        known = {*self._measured, *self._unmeasurable}
        new = [architecture for architecture in telling if self._text(architecture) not in known]
        before = {self._text(architecture): self._before(architecture) for architecture in new}
        for text, latency_s in zip(before, self._latencies(new), strict=True):
            told = before[text]
            if latency_s is None:
                self._unmeasurable.add(text)
                continue
            self._measured[text] = latency_s
            if told is not None:
                self._foretold[text] = told
        if len(self._measured) < 2:
            raise CellError(
                f"{self.name} of {len(self._measured)} of {len(new)} networks could be measured",
                "hwnas devices says what this host can measure with",
            )

    def _nearby(self, rows: np.ndarray) -> np.ndarray:
        """Those among which the first measurements tell most of what matters; all of them if these are few."""
        if self._near is None or (prior := self._prior_means(rows)) is None:
            return rows
        low, high = _NEARBY
        nearby = rows[(prior >= low * self._near) & (prior <= high * self._near)]
        return nearby if len(nearby) >= _ENOUGH * self._first else rows

    def _before(self, architecture: Architecture) -> Estimate | None:
        """What the prior says of a network that is about to be measured."""
        try:
            return None if self._prior is None else self._prior.estimate(architecture)
        except CellError:
            return None

    def _latencies(self, architectures: Sequence[Architecture]) -> Sequence[float | None]:
        try:
            return self._measure(architectures)
        except CellError:
            if len(self._measured) < 2:
                raise
            # None of the last few, which an earlier run may have found as well.
            return [None] * len(architectures)


def _power_law(prior: np.ndarray | None, latencies_s: np.ndarray) -> tuple[float, float]:
    """``factor`` and ``slope`` of ``log(latency) = factor + (1 + slope) * log(prior)``, robustly near slope 0.

    A predictor that has seen large networks alone is off by another factor for small ones; a power is never
    below nothing, as a straight line through few points may be.
    """
    if prior is None:
        return 0.0, 0.0
    x, y = np.log(prior), np.log(latencies_s / prior)
    centred = x - x.mean()
    weight = (_REST_SD / _SLOPE_SD) ** 2
    slope = float((centred @ y) / (centred @ centred + weight))
    return float(y.mean() - slope * x.mean()), slope
