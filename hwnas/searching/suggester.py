"""hwnas's own sampler: which network to try next, one after the other.

A surrogate learns accuracies from the networks that were tried; the next one is where the improvement to
expect, times the chance that it is within the limits, is largest. The same for every space: it knows choices,
and cells as graphs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from hwnas.core.errors import CellError, UsageError
from hwnas.core.workload import Scalar
from hwnas.searching.candidates import candidates, chances
from hwnas.searching.codes import Codes, codes_of, without
from hwnas.searching.cost_model import CostModel
from hwnas.searching.expected_time import ExpectedTime
from hwnas.searching.features import Features, features_of
from hwnas.searching.limit import Limit, judge
from hwnas.searching.pareto import front
from hwnas.searching.sizes import sizes_of
from hwnas.searching.surrogate import Surrogate, ranked
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space

#: Networks drawn at random before anything is learned.
STARTUP = 10
#: Where time is what is limited, this share of it, and so many networks at least.
_STARTUP_SHARE, _FEWEST = 0.25, 5
#: To begin with, the larger of so many random ones is tried, where accuracy alone counts.
ENTRANTS = 2
#: The best networks so far, whose neighbours are looked at in large spaces: a share, and how many at least and
#: at most.
_BEST_SHARE, _FEWEST_BEST, _MOST_BEST = 0.25, 3, 20
#: Networks that hold a limit less likely than this are measured last.
_LIKELY = 0.3
#: Networks that are looked at closely, and found beyond a limit, before a suggestion is given up.
_MOST_UNFIT = 300

Row = tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """What a search knows when it asks for the next network.

    Args:
        rows: Networks with an accuracy, shape ``(n, choices)``.
        accuracies: Theirs, shape ``(n,)``.
        ruled_out: Those that a limit forbids or that failed, and those that are being tried.
        asked: Trials so far, whatever became of them: each draws other random numbers.
        seconds: What an epoch of each network with an accuracy has taken [s], shape ``(n,)``, not a number
            where nobody knows; None where no time is limited.
        spent_s: By all evaluations so far [s].
    """

    rows: np.ndarray
    accuracies: np.ndarray
    ruled_out: Collection[Row] = ()
    asked: int = 0
    seconds: np.ndarray | None = None
    spent_s: float = 0.0


class NothingLeft(UsageError):
    """Every network within the limits was tried, or there is none.

    Attributes:
        trial: Number of the trial that a study's sampler was asked for; None where it was none.
    """

    trial: int | None = None


@dataclass
class _Told:
    rows: list[Row] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    ruled_out: set[Row] = field(default_factory=set)
    asked: int = 0


class Suggester:
    """Ask for a network, tell its accuracy; deterministic in the seed and what was told.

    Args:
        space: To search.
        limits: On costs.
        traded: Costs to keep small besides; with any, networks are suggested all along the front of accuracy
            and costs.
        seed: Of all that is random.
        startup: Networks drawn at random before anything is learned.
        entrants: Of so many random networks the largest is drawn; 1 where all are to be equally likely.
        budget_s: Of all evaluations together [s], where their time is what is limited: then networks whose
            evaluation takes less time come first, the more so the more time is left; and no more than five are
            drawn at random once a quarter of it is over. None where their number is limited.
    """

    def __init__(
        self,
        space: Space,
        *,
        limits: Sequence[Limit] = (),
        traded: Sequence[CostModel] = (),
        seed: int = 0,
        startup: int = STARTUP,
        entrants: int = ENTRANTS,
        budget_s: float | None = None,
    ) -> None:
        self.codes = codes_of(space)
        self._limits, self._traded = tuple(limits), tuple(traded)
        self._seed, self._startup = seed, max(2, startup)
        # Small networks are part of a front as well; and two of them are trained in the time of a large one.
        self._entrants = 1 if traded or budget_s is not None else entrants
        self._budget_s = budget_s
        self._time: ExpectedTime | None = None
        self._features: Features | None = None
        self._surrogate: Surrogate | None = None
        self._learned: bytes = b""
        self._unfit: set[Row] = set()
        self._told = _Told()

    def ask(self) -> dict[str, Scalar]:
        """The network to try next.

        Raises:
            NothingLeft: There is none.
        """
        told = self._told
        seen = Seen(
            np.array(told.rows, dtype=np.int64).reshape(-1, len(self.codes.options)),
            np.array(told.accuracies),
            told.ruled_out | set(told.rows),
            told.asked,
        )
        row = self.propose(seen)
        told.asked += 1
        told.ruled_out.add(tuple(row.tolist()))
        return self.codes.decode(row)

    def tell(self, architecture: Architecture, accuracy: float) -> None:
        """Take over what became of a network; networks that were not asked for may be told as well.

        Raises:
            UsageError: Not an architecture of the space, or the accuracy is not a number.
        """
        if math.isnan(accuracy):
            raise UsageError("the accuracy is not a number", "Leave a network out whose evaluation has failed")
        space = self.codes.space
        (row,) = self.codes.encode([space.canonical(architecture)]).tolist()
        self._told.rows.append(tuple(row))
        self._told.accuracies.append(accuracy)

    def propose(self, seen: Seen) -> np.ndarray:
        """The row of the network to try next.

        Args:
            seen: All that is known; nothing else is, so that a search may go on in another process.

        Raises:
            NothingLeft: There is none.
        """
        rng = np.random.default_rng([self._seed, seen.asked])
        starting = self._starting(seen)

        def best() -> np.ndarray:
            # What is drawn at random, to begin with, is no neighbour of what was tried.
            return seen.rows[:0] if starting else self._best(seen)

        pool = candidates(self.codes, self._limits, best, rng)
        pool = without(pool, (*map(tuple, seen.rows.tolist()), *seen.ruled_out, *self._unfit))
        gain: np.ndarray | None = None
        for _ in range(_MOST_UNFIT):
            chance = chances(pool, self._limits)
            possible = self._possible(chance)
            if not possible.any():
                raise self._nothing_left(pool, seen)
            pool, chance = pool[possible], chance[:, possible]
            if gain is None:
                gain = self._drawn(pool, rng) if starting else self._gain(seen, pool, rng)
            else:
                gain = gain[possible]
            wanted = self._surer_first(gain, chance) if starting else gain * chance.prod(axis=0)
            place = int(np.argmax(wanted))
            if self._fit(pool[place]):
                return np.asarray(pool[place])
            pool, gain = np.delete(pool, place, axis=0), np.delete(gain, place)
        raise NothingLeft(
            f"none of {_MOST_UNFIT} networks of the space {self.codes.space.name} is within the limits",
            "Raise them",
        )

    def _starting(self, seen: Seen) -> bool:
        """Whether networks are still drawn at random."""
        if self._budget_s is None or len(seen.rows) < _FEWEST:
            return len(seen.rows) < self._startup
        return len(seen.rows) < self._startup and seen.spent_s < _STARTUP_SHARE * self._budget_s

    def _drawn(self, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Random numbers below 1, as a rule larger ones for larger networks."""
        if self._entrants == 1:
            return rng.random(len(pool))
        return sizes_of(self.codes.space).larger_first(pool, self._entrants, rng)

    def _surer_first(self, drawn: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Random numbers below 1, brought into the order in which networks are tried to begin with.

        What is not surely within the limits takes one of the few measurements, which the search wants later, so
        it comes last. Where time is limited, a measurement takes little beside a training, and what surely is
        within a limit is much alike: then the chance is the weight in drawing without replacement.
        Source: Efraimidis and Spirakis, Weighted random sampling with a reservoir, Information Processing
        Letters 97, 2006.
        """
        if self._budget_s is not None:
            return np.asarray(drawn ** (1 / chance.prod(axis=0)))
        sure = np.ones(len(drawn), dtype=bool)
        for limit, row in zip(self._limits, chance, strict=True):
            sure &= row >= limit.confidence
        return np.asarray(drawn + sure)

    def _fit(self, row: np.ndarray) -> bool:
        """Whether a network is within the limits, looked at closely, and measured where nothing else tells."""
        try:
            fit = judge(self.codes.decode(row), (), self._limits).feasible
        except CellError:
            fit = False
        if not fit:
            self._unfit.add(tuple(row.tolist()))
        return fit

    def _possible(self, chance: np.ndarray) -> np.ndarray:
        """Which networks hold all limits, or could be found to by measuring or counting them.

        Measurements are few: unlikely networks are worth one where there are no others.
        """
        likely = np.ones(chance.shape[1], dtype=bool)
        possible = likely.copy()
        for limit, row in zip(self._limits, chance, strict=True):
            within = row >= limit.confidence
            measurable = limit.cost.closely_exact or limit.cost.measurements_left > 0
            likely &= within | ((row > _LIKELY) & measurable)
            possible &= within | ((row > 1 - limit.confidence) & measurable)
        return likely if likely.any() else possible

    def _gain(self, seen: Seen, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Expected improvement of each network, in units of the surrogate's targets."""
        if self._features is None:
            self._features = features_of(self.codes.space)
        targets = ranked(seen.accuracies)
        groups = self._features.groups(seen.rows)
        if self._surrogate is None:
            self._surrogate = Surrogate(len(groups))
        learned = seen.rows.tobytes() + targets.tobytes()
        if learned != self._learned:
            self._surrogate.fit(groups, targets)
            self._learned = learned
        mean, deviation = self._surrogate.predict(self._features.groups(pool))
        best, allowed = self._incumbent(seen, pool, targets, rng)
        ahead = (mean - best) / deviation
        gain = np.asarray(allowed * deviation * (ahead * norm.cdf(ahead) + norm.pdf(ahead)))
        return np.asarray(gain / self._price(seen, groups, pool))

    def _price(self, seen: Seen, groups: Sequence[np.ndarray], pool: np.ndarray) -> np.ndarray:
        """What each network's gain is divided by: its time, to the power of the budget's share that is left.

        Source: E. Lee, V. Perrone, C. Archambeau, M. Seeger, Cost-aware Bayesian Optimization, 2020,
        arXiv:2003.10870 (EI-cool).
        """
        if self._budget_s is None or seen.seconds is None:
            return np.ones(len(pool))
        assert self._features is not None  # its caller has made them
        if self._time is None:
            self._time = ExpectedTime(len(groups))
        left = float(np.clip(1 - seen.spent_s / self._budget_s, 0, 1))
        times = self._time.relative(groups, seen.seconds, self._features.groups(pool))
        return np.asarray(times**left)

    def _incumbent(
        self, seen: Seen, pool: np.ndarray, targets: np.ndarray, rng: np.random.Generator
    ) -> tuple[float, np.ndarray]:
        """What is to be improved upon, and which networks count.

        With costs to keep small, each suggestion is for a bound on each, drawn anew: the best network below it
        is a point of the front.
        """
        tried = np.ones(len(targets), dtype=bool)
        allowed = np.ones(len(pool), dtype=bool)
        for cost in self._traded:
            costs, known = (np.log(_medians(cost, rows, self.codes)) for rows in (pool, seen.rows))
            bound = rng.uniform(costs[allowed].min(), costs[allowed].max())
            allowed &= costs <= bound
            tried &= known <= bound
        return float(targets[tried].max() if tried.any() else targets.min()), allowed

    def _best(self, seen: Seen) -> np.ndarray:
        if not len(seen.rows):
            return seen.rows
        if self._traded:
            costs = [_medians(cost, seen.rows, self.codes) for cost in self._traded]
            return seen.rows[front(seen.accuracies.tolist(), np.stack(costs, axis=1).tolist())]
        count = int(np.clip(_BEST_SHARE * len(seen.rows), _FEWEST_BEST, _MOST_BEST))
        return seen.rows[np.argsort(-seen.accuracies, kind="stable")[:count]]

    def _nothing_left(self, pool: np.ndarray, seen: Seen) -> NothingLeft:
        """Why, by the networks that are left and by those that were tried or looked at closely."""
        space = self.codes.space.name
        others = [*map(tuple, seen.rows.tolist()), *seen.ruled_out, *self._unfit]
        rows = np.vstack([pool, np.array(others, dtype=np.int64).reshape(-1, pool.shape[1])])
        for limit in self._limits:
            estimate = limit.cost.screen(rows) if len(rows) else None
            if estimate is None:
                continue
            uppers = estimate.upper(limit.confidence)
            beyond = uppers > limit.at_most
            if beyond.all() and not len(seen.rows):
                least = self._upper(limit, rows[int(np.argmin(uppers))])
                if least > limit.at_most:
                    return NothingLeft(
                        f"no network of the space {space} is surely within {limit.told}; the least is "
                        f"{limit.cost.told(least)}",
                        "Raise the limit, or lower the confidence",
                    )
            if len(pool) and beyond[: len(pool)].all():
                return NothingLeft(
                    f"no further network of the space {space} is surely within {limit.told}", "Stop here"
                )
        left = "is within the limits" if self._limits else "is left to try"
        return NothingLeft(f"no further network of the space {space} {left}", "Stop here")

    def _upper(self, limit: Limit, row: np.ndarray) -> float:
        """What a network costs at most, at the limit's confidence; as exactly as that can be told."""
        closely = limit.cost.estimate(self.codes.decode(row)) if limit.cost.closely_exact else None
        estimate = closely or limit.cost.screen(row[None])
        assert estimate is not None  # its caller has screened the row
        return float(estimate.upper(limit.confidence)[0])


def _medians(cost: CostModel, rows: np.ndarray, codes: Codes) -> np.ndarray:
    found = cost.screen(rows)
    if found is not None:
        return found.median
    return np.array([cost.estimate(codes.decode(row)).median[0] for row in rows])
