"""Are networks that were never measured in training predicted on this host?

Measures torchvision's and timm's CNNs and random architectures (resumable), then leaves out one family after
another.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
from predict_baselines import macs_alone, nn_meter, operator_counts
from predict_networks import networks
from reporting import exclusive, run

from hwnas.host.machine import probe_environment
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
from hwnas.predicting.fitting import Accuracy, LeftOut, fit_predictor, grouped_by_family
from hwnas.predicting.kernel_times import attributed_times
from hwnas.predicting.measuring_more import measure_workloads
from hwnas.predicting.training_set import TrainingSet, read_training_set
from hwnas.store import LatencyStore

_BACKENDS = ("torch:cpu:fp32", "openvino:cpu:fp32")
#: A single pass of a network on a busy host is known to 4 % (OpenVINO) or 6 % (PyTorch): no predictor could be
#: shown to be better than that.
_SETTINGS = Settings(passes=2, max_passes=2, budget_s=2.0, min_rounds=6, warmup_s=0.1, warmup_cap_s=1.0)


def main(options: Namespace) -> dict[str, Any]:
    here = probe_environment()
    asked = networks(options.random)
    with LatencyStore.open(options.db) as store:
        if not options.measured:
            with exclusive("predict_host"):
                for start in range(0, len(asked), 20):
                    part = asked[start : start + 20]
                    measure_workloads(store, here, part, _BACKENDS, 1, Silent(), _SETTINGS)
                    print(f"measured {start + len(part)} of {len(asked)}", flush=True)
        sets = {b: read_training_set(store, here.fingerprint, b, 1) for b in _BACKENDS}
    keys = {w.key for w in asked}
    found = {b: _backend(s, keys, here) for b, s in sets.items()}
    passed = all(r["ours"]["within_10"] >= 95 and r["ours"]["rmspe"] <= 5.5 for r in found.values())
    return {"backends": found, "passed": passed}


def _backend(training: TrainingSet, keys: set[str], here: Any) -> dict[str, Any]:
    ours = fit_predictor(training, here)
    rows: dict[str, Any] = {"ours": _scores([o for o in ours.left_out if o.workload.key in keys])}
    without = fit_predictor(training, here, misses=False)
    rows["ours without misses"] = _scores([o for o in without.left_out if o.workload.key in keys])
    all_networks = training.networks
    times, _ = attributed_times(all_networks)
    groups = grouped_by_family(all_networks)
    predicted = {
        n: np.zeros(len(all_networks)) for n in ("MACs alone", "operator counts", "nn-Meter's features")
    }
    for group in range(max(groups) + 1):
        kept = [i for i, g in enumerate(groups) if g != group]
        out = [i for i, g in enumerate(groups) if g == group]
        train, test = [all_networks[i] for i in kept], [all_networks[i] for i in out]
        predicted["MACs alone"][out] = macs_alone(train, test)
        predicted["operator counts"][out] = operator_counts(train, test)
        predicted["nn-Meter's features"][out] = nn_meter(train, [times[i] for i in kept], test)
    for name, values in predicted.items():
        errors = [
            v / n.latency_s - 1 for v, n in zip(values, all_networks, strict=True) if n.workload.key in keys
        ]
        rows[name] = _errors(np.array(errors))
    rows["worst"] = [
        f"{o.workload.label}: {100 * o.error:+.1f} %"
        for o in sorted(ours.left_out, key=lambda o: -abs(o.error))[:12]
        if o.workload.key in keys
    ]
    rows["wide_resnet50_2 / resnext50_32x4d"] = _ratio(ours.left_out)
    print(training.backend, rows, flush=True)
    return rows


def _scores(found: list[LeftOut]) -> dict[str, float]:
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


def _ratio(found: tuple[LeftOut, ...]) -> dict[str, float] | None:
    by_name = {o.workload.name: o for o in found}
    wide, grouped = by_name.get("wide_resnet50_2"), by_name.get("resnext50_32x4d")
    if wide is None or grouped is None:
        return None
    return {
        "measured": round(wide.measured_s / grouped.measured_s, 2),
        "predicted": round(wide.predicted_s / grouped.predicted_s, 2),
    }


if __name__ == "__main__":
    run(
        main,
        ("--db", {"required": True, "help": "database that keeps what was measured"}),
        ("--random", {"type": int, "default": 200, "help": "random architectures"}),
        ("--measured", {"action": "store_true", "help": "measure nothing, learn from what is there"}),
    )
