"""The time of single kernels: looked up where the very kernel was measured, else learned from those like it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from hwnas.cache_misses.operators import OTHER
from hwnas.core.errors import UsageError
from hwnas.predicting.features import feature_matrix, range_slack
from hwnas.predicting.forest import Forest
from hwnas.predicting.kernel_facts import KernelFacts

#: Fewer kernels of a category are learned with all others of their kind.
_FEWEST = 12
#: Parts of a category that are left out in turn, and the spread of one that is too small for that.
_FOLDS = 4
_UNKNOWN_SPREAD = 0.3
#: Below this a time is no more than noise of the profiler [s].
_SMALLEST_S = 1e-7


@dataclass(frozen=True)
class CategoryModel:
    """Kernels of one category: their cost against simple limits, and a forest for how far they miss it.

    A kernel's limit is ``macs / rate + bytes / bandwidth + start``, a sum rather than the larger of the first
    two since no kernel overlaps them fully. The forest learns the logarithm of time / limit, so that a kernel
    larger than any in training still grows with its work.
    Source of the limits: Williams, Waterman and Patterson, Roofline, Communications of the ACM 52, 2009.

    Args:
        limits: Seconds a multiply-add, a byte and a call.
        forest: Of the logarithm of time / limit.
        low: Smallest features in training, shape ``(features,)``.
        high: Largest.
        spread: Standard deviation of the logarithm of measured / learned time among kernels left out.
        count: Kernels that it was learned from.
    """

    limits: np.ndarray
    forest: Forest
    low: np.ndarray
    high: np.ndarray
    spread: float
    count: int

    def predict(
        self, kernels: Sequence[KernelFacts], x: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times [s], standard deviations of their logarithms, and whether each is in range."""
        rest, disagreement = self.forest.predict(x)
        times = limit_times(kernels, self.limits) * np.exp(rest)
        slack = range_slack(x.shape[1])
        inside = ((x >= self.low - slack) & (x <= self.high + slack)).all(axis=1)
        spread = np.sqrt(self.spread**2 + disagreement**2)
        return times, np.where(inside, spread, 2 * spread + 0.3), inside


@dataclass(frozen=True)
class Lookup:
    """What measuring one kernel gave.

    Args:
        time_s: Geometric mean over the networks that it was measured in [s].
        spread: Standard deviation of the logarithm of its time between networks.
        count: Networks.
    """

    time_s: float
    spread: float
    count: int


@dataclass(frozen=True)
class KernelTimes:
    """Predicted times of kernels, in their order.

    Args:
        times_s: Shape ``(n,)`` [s].
        spreads: Standard deviations of their logarithms, shape ``(n,)``.
        sources: ``measured``, ``learned``, ``borrowed`` (from other kinds of kernels) or ``free`` (takes no
            time).
        in_range: Whether each lies where something was learned.
    """

    times_s: np.ndarray
    spreads: np.ndarray
    sources: tuple[str, ...]
    in_range: np.ndarray


@dataclass(frozen=True)
class KernelModel:
    """Times of a backend's kernels on one host.

    Args:
        categories: :attr:`KernelFacts.category` -> what was learned.
        kinds: :attr:`KernelFacts.kind` -> the same, of all kernels of a kind, for categories that are too rare.
        everything: Of all kernels, for a kind never seen.
        table: :attr:`KernelFacts.key` -> what was measured.
        free: Categories that never took time: views, and what is done while compiling.
        types: Operator types that were seen.
        geometries: Caches whose modelled misses are features.
    """

    categories: Mapping[str, CategoryModel]
    kinds: Mapping[str, CategoryModel]
    everything: CategoryModel
    table: Mapping[str, Lookup]
    free: frozenset[str]
    types: frozenset[str]
    geometries: tuple[str, ...]

    def predict(self, kernels: Sequence[KernelFacts], *, lookup: bool = True) -> KernelTimes:
        """Time of each kernel.

        Args:
            kernels: In any order.
            lookup: Whether kernels that were measured are looked up.
        """
        times, spreads = np.zeros(len(kernels)), np.zeros(len(kernels))
        sources, inside = [""] * len(kernels), np.ones(len(kernels), dtype=bool)
        asked: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, kernel in enumerate(kernels):
            known = self.table.get(kernel.key) if lookup else None
            if kernel.constant or kernel.category in self.free:
                sources[place] = "free"
            elif known is not None:
                sources[place] = "measured"
                times[place], spreads[place] = known.time_s, known.spread
            else:
                asked[self._model_name(kernel)].append(place)
        for name, places in asked.items():
            chosen = [kernels[p] for p in places]
            x = feature_matrix(chosen, self.geometries)
            model = self._model(name)
            times[places], spreads[places], inside[places] = model.predict(chosen, x)
            for place in places:
                seen = name[0] != "everything" and kernels[place].type in self.types
                sources[place] = "learned" if seen else "borrowed"
                if not seen:
                    inside[place] = False
                    spreads[place] += 0.5
        return KernelTimes(times, spreads, tuple(sources), inside)

    def model_of(self, kernel: KernelFacts) -> CategoryModel:
        """What a kernel is learned from, where it is not looked up."""
        return self._model(self._model_name(kernel))

    def _model_name(self, kernel: KernelFacts) -> tuple[str, str]:
        if kernel.category in self.categories:
            return "category", kernel.category
        # What is of no known kind has nothing in common with others like it.
        if kernel.kind in self.kinds and (kernel.kind != OTHER or kernel.type in self.types):
            return "kind", kernel.kind
        return "everything", ""

    def _model(self, name: tuple[str, str]) -> CategoryModel:
        level, key = name
        if level == "category":
            return self.categories[key]
        return self.kinds[key] if level == "kind" else self.everything


def fit_kernel_model(
    kernels: Sequence[KernelFacts],
    times_s: np.ndarray,
    geometries: Sequence[str] = (),
    *,
    owners: Sequence[int] | None = None,
    trees: int = 100,
) -> KernelModel:
    """Learn the times of kernels.

    Args:
        kernels: ``n`` measured ones; the same kernel may come several times.
        times_s: Their times, shape ``(n,)`` [s]; 0 where none was seen.
        geometries: Caches whose modelled misses are features.
        owners: Number of the network that each belongs to, shape ``(n,)``; None: each has its own.
        trees: In each forest.

    Raises:
        UsageError: None of them has a time.
    """
    geometries = tuple(geometries)
    longest: dict[str, float] = defaultdict(float)
    for kernel, time_s in zip(kernels, times_s, strict=True):
        if not kernel.constant:
            longest[kernel.category] = max(longest[kernel.category], float(time_s))
    free = frozenset(category for category, time_s in longest.items() if time_s < _SMALLEST_S)
    table = lookups(kernels, times_s, owners if owners is not None else range(len(kernels)))
    if not table:
        raise UsageError("no kernel of these networks has a time", "Measure them again: hwnas measure --fresh")
    # Each kernel once, whatever the number of networks that hold it.
    different = {k.key: k for k in kernels if k.key in table}
    known = _Known(different, table, geometries, trees)
    return KernelModel(
        categories={c: known.fit(keys) for c, keys in known.by_category.items() if len(keys) >= _FEWEST},
        kinds={kind: known.fit(keys) for kind, keys in known.by_kind.items()},
        everything=known.fit(list(different)),
        table=table,
        free=free,
        types=frozenset(k.type for k in kernels),
        geometries=geometries,
    )


class _Known:
    """The different kernels of a training set."""

    def __init__(
        self,
        kernels: Mapping[str, KernelFacts],
        table: Mapping[str, Lookup],
        geometries: tuple[str, ...],
        trees: int,
    ) -> None:
        self._kernels, self._table, self._geometries, self._trees = kernels, table, geometries, trees
        self.by_category: dict[str, list[str]] = defaultdict(list)
        self.by_kind: dict[str, list[str]] = defaultdict(list)
        for key, kernel in kernels.items():
            self.by_category[kernel.category].append(key)
            self.by_kind[kernel.kind].append(key)

    def fit(self, keys: Sequence[str]) -> CategoryModel:
        """Learn some of them together."""
        kernels = [self._kernels[k] for k in keys]
        times_s = np.array([self._table[k].time_s for k in keys])
        counts = np.array([self._table[k].count for k in keys], dtype=float)
        return _fit_category(kernels, times_s, counts, self._geometries, self._trees)


def lookups(kernels: Sequence[KernelFacts], times_s: np.ndarray, owners: Sequence[int]) -> dict[str, Lookup]:
    """Key -> what measuring gave. A kernel that a network runs several times counts once, by its mean there.

    Args:
        kernels: ``n`` of them.
        times_s: Their times, shape ``(n,)`` [s]; those that take none are left out.
        owners: Number of the network of each, shape ``(n,)``.
    """
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for kernel, time_s, owner in zip(kernels, times_s, owners, strict=True):
        if time_s >= _SMALLEST_S:
            found[kernel.key][owner].append(float(np.log(time_s)))
    means = {key: [float(np.mean(logs)) for logs in own.values()] for key, own in found.items()}
    usual = _usual_spread(list(means.values()))
    return {
        key: Lookup(float(np.exp(np.mean(logs))), _spread(logs, usual), len(logs))
        for key, logs in means.items()
    }


def _usual_spread(groups: Sequence[Sequence[float]]) -> float:
    """How the logarithm of one kernel's time differs between networks, in the middle."""
    several = [float(np.std(g, ddof=1)) for g in groups if len(g) > 2]
    return float(np.median(several)) if several else 0.1


def _spread(logs: Sequence[float], usual: float) -> float:
    """Of few values the usual one, of many their own."""
    if len(logs) < 2:
        return usual
    own = float(np.var(logs, ddof=1))
    return float(np.sqrt((2 * usual**2 + (len(logs) - 1) * own) / (len(logs) + 1)))


def limit_times(kernels: Sequence[KernelFacts], limits: np.ndarray) -> np.ndarray:
    """What kernels cost by their limits [s], shape ``(n,)``."""
    return np.array(_costs(kernels) @ limits)


def _costs(kernels: Sequence[KernelFacts]) -> np.ndarray:
    return np.array([[k.macs, k.bytes, 1.0] for k in kernels], dtype=float).reshape(len(kernels), 3)


def fit_limits(kernels: Sequence[KernelFacts], times_s: np.ndarray) -> np.ndarray:
    """Seconds a multiply-add, a byte and a call that explain times best in relative error; none is negative."""
    costs = _costs(kernels) / times_s[:, None]
    # Columns of one size: a multiply-add is a millionth of a call.
    scale = np.maximum(costs.max(axis=0), 1e-30)
    found, _ = nnls(costs / scale, np.ones(len(times_s)))
    limits = found / scale
    if not limits.any():
        limits[2] = float(np.median(times_s))
    # A kernel without work or bytes still takes the time of a call.
    limits[2] = max(limits[2], 0.05 * float(times_s.min()))
    return np.array(limits)


def _fit_category(
    kernels: Sequence[KernelFacts],
    times_s: np.ndarray,
    counts: np.ndarray,
    geometries: tuple[str, ...],
    trees: int,
) -> CategoryModel:
    x = feature_matrix(kernels, geometries)
    limits = fit_limits(kernels, times_s)
    rest = np.log(times_s / limit_times(kernels, limits))
    # What takes long matters in a network: errors of kernels that take no time do not.
    weights = np.sqrt(counts * times_s / times_s.mean())
    return CategoryModel(
        limits=limits,
        forest=Forest.fit(x, rest, weights, trees=trees),
        low=x.min(axis=0),
        high=x.max(axis=0),
        spread=_left_out_spread(x, rest, weights, trees),
        count=len(kernels),
    )


def _left_out_spread(x: np.ndarray, rest: np.ndarray, weights: np.ndarray, trees: int) -> float:
    """How far a forest is off on kernels that it has not seen."""
    folds = min(_FOLDS, len(rest) // 3)
    if folds < 2:
        return _UNKNOWN_SPREAD
    place = np.random.default_rng(0).permutation(len(rest)) % folds
    errors = np.empty(len(rest))
    for fold in range(folds):
        out = place == fold
        learned = Forest.fit(x[~out], rest[~out], weights[~out], trees=max(10, trees // 4), seed=fold)
        errors[out] = rest[out] - learned.predict(x[out])[0]
    return float(np.sqrt(np.average(errors**2, weights=weights)))
