"""Whole networks of a public table: their operators and shapes, listed without running them.

The model that is judged here is this benchmark's own. The predictor of hwnas learns from kernels' times, which
such tables do not have; what is the same is the listing, the categories of kernels and the limits of each.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold

from hwnas.core.errors import HwnasError
from hwnas.core.workload import Workload
from hwnas.predicting.families import design_of
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.listing import list_kernels

#: What the judged model is called: nothing in the package.
JUDGED = "limits and trees of this benchmark, on hwnas's listings"
_FOLDS = 10
#: Categories that fewer networks have share a column.
_FEWEST = 15


def listing(model: str, size: int) -> dict[str, list[float]] | None:
    """Category -> multiply-adds, bytes and kernels of a timm network; None where it cannot be listed here."""
    try:
        kernels = list_kernels(Workload("timm", model, (1, 3, size, size)), "torch:cpu:fp32", 1)
    except HwnasError:
        return None
    found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for kernel in map(KernelFacts.of, kernels):
        own = found[kernel.category]
        own[0] += kernel.macs
        own[1] += kernel.bytes
        own[2] += 1
    return dict(found)


def _listed(job: tuple[str, int]) -> tuple[tuple[str, int], dict[str, list[float]] | None]:
    try:
        return job, listing(*job)
    except Exception as error:  # noqa: BLE001 - a library's network may fail in any way; it costs one row
        print(f"{job}: {error}", file=sys.stderr)
        return job, None


class NetworkTable:
    """Latencies of networks with their listings.

    Args:
        table: The public rows.
        listings: One a row, or None.
    """

    def __init__(self, table: pd.DataFrame, listings: list[dict[str, list[float]] | None]) -> None:
        self.table, self.listings = table, listings
        self.y = table["infer_step_time"].to_numpy(float)
        self.families = np.array([design_of(m) for m in table["model"]])

    def scores(self) -> dict[str, Any]:
        """Mean absolute percentage errors, folds by the networks' designs."""
        scalars = np.log(
            self.table[["infer_img_size", "param_count", "infer_gmacs", "infer_macts"]].to_numpy(float) + 1e-3
        )
        full, costs = self._features(scalars)
        log_y = np.log(self.y)
        found: dict[str, np.ndarray] = {
            name: np.empty(len(self.y)) for name in ("GMACs alone", "boosted trees on four scalars", JUDGED)
        }
        for train, test in GroupKFold(_FOLDS).split(full, log_y, self.families):
            gmacs = scalars[:, 2:3]
            found["GMACs alone"][test] = LinearRegression().fit(gmacs[train], log_y[train]).predict(gmacs[test])
            model = HistGradientBoostingRegressor(random_state=0)
            found["boosted trees on four scalars"][test] = model.fit(scalars[train], log_y[train]).predict(
                scalars[test]
            )
            found[JUDGED][test] = _judged(full, costs, log_y, train, test)
        result: dict[str, Any] = {name: _errors(np.exp(predicted), self.y) for name, predicted in found.items()}
        result["networks"] = len(self.y)
        result["listed"] = sum(one is not None for one in self.listings)
        return result

    def _features(self, scalars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features of every network, and what its categories of kernels cost: shape ``(n, 3 * categories)``."""
        having: dict[str, int] = defaultdict(int)
        for one in self.listings:
            for category in one or {}:
                having[category] += 1
        names = sorted(c for c, n in having.items() if n >= _FEWEST)
        costs = np.zeros((len(self.listings), 3 * (len(names) + 1)))
        for row, one in enumerate(self.listings):
            for category, values in (one or {}).items():
                place = names.index(category) if category in names else len(names)
                costs[row, 3 * place : 3 * place + 3] += values
        total = np.maximum(costs.reshape(len(costs), -1, 3).sum(axis=1), 1e-9)
        share = costs / np.tile(total, costs.shape[1] // 3)
        return np.hstack([scalars, np.log(total), share, np.log1p(costs)]), costs


def _judged(
    full: np.ndarray, costs: np.ndarray, log_y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Limits for each category of kernels by non-negative least squares, and trees for what they leave."""
    y = np.exp(log_y[train])
    scale = np.maximum(costs[train].max(axis=0), 1e-9)
    columns = np.hstack([costs / scale, np.ones((len(costs), 1))])
    weights, _ = nnls(columns[train] / y[:, None], np.ones(len(y)))
    limit = np.log(np.maximum(columns @ weights, 1e-3))
    x = np.hstack([full, limit[:, None]])
    rest = log_y[train] - limit[train]
    boosted = HistGradientBoostingRegressor(
        max_iter=400, learning_rate=0.05, l2_regularization=1.0, random_state=0
    )
    trees = ExtraTreesRegressor(400, min_samples_leaf=2, max_features=0.3, random_state=0)
    found = [m.fit(x[train], rest).predict(x[test]) for m in (boosted, trees)]
    return np.asarray(limit[test] + np.mean(found, axis=0))


def _errors(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    error = np.abs(predicted / true - 1)
    return {
        "mape": round(float(100 * error.mean()), 2),
        "within_10": round(float(100 * (error <= 0.1).mean()), 1),
    }


def network_table(path: Path, kept: Path) -> NetworkTable:
    """The table with its listings; those that an earlier run made are read from `kept`, others added to it."""
    table = pd.read_csv(path)
    jobs = list(dict.fromkeys(zip(table["model"], table["infer_img_size"].astype(int), strict=True)))
    text = kept.read_text() if kept.exists() else ""
    known = _known(text)
    missing = [job for job in jobs if job not in known]
    if missing:
        # Not concurrent.futures: its pool can wait for ever when a process has done its share and goes.
        with get_context("spawn").Pool(2, maxtasksperchild=50) as pool, kept.open("a") as file:
            if text and not text.endswith("\n"):
                file.write("\n")
            for number, (job, found) in enumerate(pool.imap(_listed, missing, chunksize=1), 1):
                known[job] = found
                file.write(json.dumps([*job, found]) + "\n")
                file.flush()
                if number % 50 == 0 or number == len(missing):
                    print(f"listed {number} of {len(missing)}", flush=True)
    rows = zip(table["model"], table["infer_img_size"].astype(int), strict=True)
    return NetworkTable(table, [known[row] for row in rows])


def _known(text: str) -> dict[tuple[str, int], dict[str, list[float]] | None]:
    """What earlier runs have listed; a line that a kill has cut off is listed again."""
    found: dict[tuple[str, int], dict[str, list[float]] | None] = {}
    for line in text.splitlines():
        try:
            model, size, listed = json.loads(line)
        except ValueError:
            continue
        found[model, size] = listed
    return found
