"""Do the 90 % intervals of predictions hold on networks left out, and how wide are they?

On the networks that `predict_host.py` has measured; nothing is measured here. Beside ours stand intervals of
one width for all, around our predictions and around those of simpler predictors: as wide as nine of ten errors
on the other families were.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from predict_networks import networks
from predict_rows import COVERAGE, SOURCES, simple_predictions
from reporting import run

from hwnas.host.machine import probe_environment
from hwnas.predicting.fitting import LeftOut, fit_predictor, grouped_by_family
from hwnas.predicting.network_model import CONFIDENCE
from hwnas.predicting.training_set import MeasuredNetwork, read_training_set
from hwnas.store import LatencyStore
from hwnas.training.intervals import wilson

_BACKENDS = ("torch:cpu:fp32", "openvino:cpu:fp32")
OURS, ONE_WIDTH = "ours", "ours, one width for all"
#: Of a prediction [s]: one of nothing has no relative error.
_LEAST_S = 1e-9


def main(options: Namespace) -> dict[str, Any]:
    here = probe_environment()
    keys = {workload.key for workload in networks(options.random)}
    found = {}
    for backend in _BACKENDS:
        with LatencyStore.open(options.db, create=False, read_only=True) as store:
            training = read_training_set(store, here.fingerprint, backend, 1)
        left_out = fit_predictor(training, here).left_out
        found[backend] = judged(training.networks, left_out, keys)
        for name, values in found[backend].items():
            print(backend, name, values, flush=True)
    return {"backends": found, "passed": all(meets_bar(one) for one in found.values())}


def judged(
    known: Sequence[MeasuredNetwork], left_out: Sequence[LeftOut], keys: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Whose intervals -> where networks come from -> how many hold, and how wide they are.

    Args:
        known: All networks that were learned from.
        left_out: Each of them as predicted without its family, in the same order.
        keys: Of those that are judged.
    """
    places = np.array([i for i, one in enumerate(known) if one.workload.key in keys], dtype=int)
    measured_s = np.array([known[i].latency_s for i in places])
    kinds = np.array([known[i].workload.kind for i in places], dtype=str)
    groups = np.array(grouped_by_family(known))[places]

    def by_source(low_s: np.ndarray, high_s: np.ndarray) -> dict[str, Any]:
        return {
            name: told(measured_s[own], low_s[own], high_s[own])
            for name, members in SOURCES.items()
            if (own := np.isin(kinds, members)).any()
        }

    ends = np.array([(left_out[i].low_s, left_out[i].high_s) for i in places]).reshape(-1, 2)
    found = {OURS: by_source(ends[:, 0], ends[:, 1])}
    predicted = {ONE_WIDTH: np.array([one.predicted_s for one in left_out]), **simple_predictions(known)}
    for name, values in predicted.items():
        found[name] = by_source(*of_one_width(values[places], measured_s, groups))
    return found


def of_one_width(
    predicted_s: np.ndarray, measured_s: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends [s], as far from the prediction as nine of ten errors in the other groups.

    Args:
        predicted_s: ``(n,)``, each without its family [s].
        measured_s: ``(n,)`` [s].
        groups: ``(n,)``, whole families each.
    """
    predicted_s = np.maximum(predicted_s, _LEAST_S)
    errors = np.abs(np.log(predicted_s / measured_s))
    widths = np.zeros(len(errors))
    for group in np.unique(groups):
        own = groups == group
        others = errors if own.all() else errors[~own]
        widths[own] = np.quantile(others, CONFIDENCE, method="higher")
    return predicted_s * np.exp(-widths), predicted_s * np.exp(widths)


def told(measured_s: np.ndarray, low_s: np.ndarray, high_s: np.ndarray) -> dict[str, Any]:
    """Share of the intervals that hold, with the 95 % interval of such a count, and their median half width."""
    share = float(np.mean((low_s <= measured_s) & (measured_s <= high_s)))
    return {
        "networks": len(measured_s),
        "share": share,
        "share_interval": wilson(share, len(measured_s)),
        "half_width_percent": round(100 * (float(np.median(np.sqrt(high_s / low_s))) - 1), 1),
    }


def meets_bar(found: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether as many of our intervals hold as should; the share is compared as it is, and not rounded."""
    share = found[OURS].get("all", {}).get("share", 0.0)
    return bool(COVERAGE[0] <= share <= COVERAGE[1])


if __name__ == "__main__":
    run(
        main,
        ("--db", {"required": True, "help": "database in which predict_host.py keeps what it has measured"}),
        ("--random", {"type": int, "default": 204, "help": "random architectures among those"}),
    )
