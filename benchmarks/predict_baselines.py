"""What a latency predictor has to beat: simple models of whole networks, and nn-Meter's way with kernels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls
from sklearn.ensemble import RandomForestRegressor

from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.training_set import MeasuredNetwork


def macs_alone(train: Sequence[MeasuredNetwork], test: Sequence[MeasuredNetwork]) -> np.ndarray:
    """Latency = a * MACs + b, by least squares of relative errors."""

    def columns(networks: Sequence[MeasuredNetwork]) -> np.ndarray:
        return np.array([[sum(k.macs for k in n.kernels) / 1e9, 1.0] for n in networks])

    return _linear(columns(train), columns(test), train)


def operator_counts(train: Sequence[MeasuredNetwork], test: Sequence[MeasuredNetwork]) -> np.ndarray:
    """Latency = sum of a cost for each operator type, times how often it occurs."""
    counts = [Counter(k.type for k in n.kernels) for n in (*train, *test)]
    names = sorted({name for c in counts for name in c})
    table = np.array([[float(c[name]) for name in names] + [1.0] for c in counts])
    return _linear(table[: len(train)], table[len(train) :], train)


def _linear(x: np.ndarray, asked: np.ndarray, train: Sequence[MeasuredNetwork]) -> np.ndarray:
    y = np.array([n.latency_s for n in train])
    weights, _ = nnls(x / y[:, None], np.ones(len(y)))
    return np.asarray(asked @ weights)


def nn_meter(
    train: Sequence[MeasuredNetwork], times: Sequence[np.ndarray], test: Sequence[MeasuredNetwork]
) -> np.ndarray:
    """A random forest for each type of kernel on nn-Meter's features, and their sum.

    Source: Zhang et al., nn-Meter, MobiSys 2021, table 4: height and width, channels in and out, kernel
    size and stride of convolutions; channels and sizes of the others; multiply-adds and parameters. No groups.
    """
    known: dict[str, list[tuple[list[float], float]]] = defaultdict(list)
    for network, own in zip(train, times, strict=True):
        for kernel, time_s in zip(network.kernels, own, strict=True):
            known[_type(kernel)].append((_features(kernel), float(time_s)))
    forests = {}
    for name, rows in known.items():
        x, y = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
        forests[name] = RandomForestRegressor(100, random_state=0, n_jobs=1).fit(x, y)
    found = np.zeros(len(test))
    for place, network in enumerate(test):
        asked: dict[str, list[list[float]]] = defaultdict(list)
        for kernel in network.kernels:
            asked[_type(kernel)].append(_features(kernel))
        for name, rows in asked.items():
            if name in forests:
                found[place] += forests[name].predict(np.array(rows)).sum()
    return found


def _type(kernel: KernelFacts) -> str:
    if kernel.kind == "convolution":
        return "dwconv" if kernel.depthwise else "conv"
    return kernel.type


def _features(k: KernelFacts) -> list[float]:
    height, width = (1, 1, *k.output[2:])[-2:]
    return [
        height,
        width,
        k.channels_in,
        k.channels_out,
        max(k.window),
        max(k.stride),
        # nn-Meter counts a convolution as if it had one group.
        k.macs * (1 if k.depthwise else k.groups) / 1e6,
        k.weight_bytes * (1 if k.depthwise else k.groups) / 4e3,
    ]
