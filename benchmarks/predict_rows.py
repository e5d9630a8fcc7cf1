"""What predict_host says of predictions: by where networks come from, against its bars, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from predict_baselines import macs_alone, nn_meter, operator_counts

from hwnas.core.workload import Workload
from hwnas.predicting.fitting import Accuracy, LeftOut, grouped_by_family
from hwnas.predicting.kernel_times import attributed_times
from hwnas.predicting.training_set import MeasuredNetwork, TrainingSet
from hwnas.store import LatencyStore

#: Kinds of workloads -> what they are called.
SOURCES = {
    "all": ("torchvision", "timm", "space"),
    "networks": ("torchvision", "timm"),
    "torchvision": ("torchvision",),
    "timm": ("timm",),
    "space": ("space",),
}
#: Fewest networks and architectures, least share within 10 %, largest RMSPE, coverage of the 90 % intervals,
#: and how far the ratio of Wide-ResNet50-2 to ResNeXt50 may be off.
NETWORKS, ARCHITECTURES, WITHIN_10, RMSPE, COVERAGE, RATIO = 60, 200, 0.95, 0.055, (0.85, 0.95), 0.1


def rows(found: Sequence[LeftOut]) -> dict[str, dict[str, float]]:
    """Accuracies, for people: by where networks come from."""
    return {
        name: _scores(own)
        for name, kinds in SOURCES.items()
        if (own := [o for o in found if o.workload.kind in kinds])
    }


def bars(found: Sequence[LeftOut]) -> dict[str, bool]:
    """Which bars are met; numbers are compared as they are, and not as they are printed."""
    kinds = [o.workload.kind for o in found]
    a = Accuracy.of(found) if found else Accuracy(0, 0.0, np.inf, np.inf, 0.0)
    two = ratio(found)
    return {
        f"at least {NETWORKS} networks": sum(k in SOURCES["networks"] for k in kinds) >= NETWORKS,
        f"at least {ARCHITECTURES} architectures": kinds.count("space") >= ARCHITECTURES,
        f"{WITHIN_10:.0%} within 10 %": a.within_10 >= WITHIN_10,
        f"RMSPE at most {RMSPE:.1%}": a.rmspe <= RMSPE,
        f"intervals hold {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}": COVERAGE[0] <= a.coverage <= COVERAGE[1],
        "Wide-ResNet50-2 and ResNeXt50: order": bool(two) and (two["measured"] > 1) == (two["predicted"] > 1),
        f"Wide-ResNet50-2 and ResNeXt50: ratio within {RATIO:.0%}": bool(two)
        and abs(two["predicted"] / two["measured"] - 1) <= RATIO,
    }


def ratio(found: Sequence[LeftOut]) -> dict[str, float]:
    """Wide-ResNet50-2's latency over that of ResNeXt50; empty where one is missing."""
    by_name = {o.workload.name: o for o in found}
    wide, grouped = by_name.get("wide_resnet50_2"), by_name.get("resnext50_32x4d")
    if wide is None or grouped is None:
        return {}
    return {
        "measured": wide.measured_s / grouped.measured_s,
        "predicted": wide.predicted_s / grouped.predicted_s,
    }


def worst(found: Sequence[LeftOut], count: int = 12) -> list[str]:
    """Those that are farthest off."""
    return [
        f"{o.workload.label}: {100 * o.error:+.1f} %"
        for o in sorted(found, key=lambda o: -abs(o.error))[:count]
    ]


def missing(
    store: LatencyStore, environment: str, asked: Sequence[Workload], training: TrainingSet
) -> dict[str, str]:
    """Networks that were asked for and are not judged -> why."""
    judged = {network.workload.key for network in training.networks}
    reasons: dict[str, str] = {}
    for stored in store.measurements(
        environment=environment,
        backend=training.backend,
        threads=training.threads,
        with_samples=False,
        with_kernels=False,
    ):
        m = stored.measurement
        reasons[m.workload.key] = (
            f"{m.status}: {m.reason}" if m.reason else f"{m.status}, but without kernel times"
        )
    return {w.label: reasons.get(w.key, "not measured yet") for w in asked if w.key not in judged}


def baselines(networks: Sequence[MeasuredNetwork], keys: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Errors of simpler predictors on the same networks, without the same families."""
    judged = [i for i, n in enumerate(networks) if n.workload.key in keys]
    latencies = np.array([networks[i].latency_s for i in judged])
    return {
        name: _errors(values[judged] / latencies - 1) for name, values in simple_predictions(networks).items()
    }


def simple_predictions(networks: Sequence[MeasuredNetwork]) -> dict[str, np.ndarray]:
    """Name of a simpler predictor -> latencies [s] in the order of the networks, each without its family."""
    times, _ = attributed_times(networks)
    groups = grouped_by_family(networks)
    predicted = {n: np.zeros(len(networks)) for n in ("MACs alone", "operator counts", "nn-Meter's features")}
    for group in range(max(groups) + 1):
        kept = [i for i, g in enumerate(groups) if g != group]
        out = [i for i, g in enumerate(groups) if g == group]
        train, test = [networks[i] for i in kept], [networks[i] for i in out]
        predicted["MACs alone"][out] = macs_alone(train, test)
        predicted["operator counts"][out] = operator_counts(train, test)
        predicted["nn-Meter's features"][out] = nn_meter(train, [times[i] for i in kept], test)
    return predicted


def _scores(found: Sequence[LeftOut]) -> dict[str, float]:
    a = Accuracy.of(found)
    return {
        "networks": a.networks,
        "within_10": round(100 * a.within_10, 1),
        "rmspe": round(100 * a.rmspe, 2),
        "mape": round(100 * a.mape, 2),
        "intervals_hold": round(100 * a.coverage, 1),
    }


def _errors(errors: np.ndarray) -> dict[str, float]:
    return {
        "within_10": round(float(100 * np.mean(np.abs(errors) <= 0.1)), 1),
        "rmspe": round(float(100 * np.sqrt(np.mean(errors**2))), 2),
        "mape": round(float(100 * np.mean(np.abs(errors))), 2),
    }
