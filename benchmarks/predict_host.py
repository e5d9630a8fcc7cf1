"""Are networks that were never measured in training predicted on this host?

Measures torchvision's and timm's CNNs and random architectures (resumable), then leaves out one family after
another. The training's chains of layers are drawn like layers of torchvision's networks: one more run leaves
out, with each family, the chains with a layer that is known from that family alone.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from predict_networks import networks
from predict_rows import bars, baselines, missing, ratio, rows, worst
from reporting import exclusive, run
from threadpoolctl import threadpool_limits

from hwnas.core.environment import Environment
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.known_layers import known_from_only
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
                _measure(store, here, asked, _BACKENDS, _SETTINGS)
                for number in range(1, 1 + options.further):
                    settings = replace(_SETTINGS, passes=1, max_passes=1, seed=number)
                    _measure(store, here, asked, options.further_on.split(","), settings)
    # Nothing is timed any more.
    with ProcessPoolExecutor(len(_BACKENDS), initializer=threadpool_limits, initargs=(1,)) as pool:
        figures = pool.map(partial(_judged, options.db, options.random), _BACKENDS)
        found = dict(zip(_BACKENDS, figures, strict=True))
    return {"backends": found, "passed": all(all(one["bars"].values()) for one in found.values())}


def _measure(
    store: LatencyStore,
    here: Environment,
    asked: Sequence[Workload],
    backends: Sequence[str],
    settings: Settings,
) -> None:
    for start in range(0, len(asked), 20):
        part = asked[start : start + 20]
        measure_workloads(store, here, part, backends, 1, Silent(), settings)
        print(f"measured {start + len(part)} of {len(asked)}, seed {settings.seed}", flush=True)


def _judged(db: str, count: int, backend: str) -> dict[str, Any]:
    here, asked = probe_environment(), networks(count)
    with LatencyStore.open(db, read_only=True) as store:
        training = read_training_set(store, here.fingerprint, backend, 1)
        without = missing(store, here.fingerprint, asked, training)
    return _backend(training, asked, here, without)


def _backend(
    training: TrainingSet, asked: Sequence[Workload], here: Environment, without: dict[str, str]
) -> dict[str, Any]:
    kinds = Counter(network.workload.kind for network in training.networks)
    keys = {workload.key for workload in asked}
    ours = [o for o in fit_predictor(training, here).left_out if o.workload.key in keys]
    plain = fit_predictor(training, here, misses=False).left_out
    strict = fit_predictor(
        training,
        here,
        left_out_with=lambda n, families: n.workload.kind == "layers" and known_from_only(n.kernels, families),
    ).left_out
    found = {
        "learned from": dict(kinds),
        "ours": rows(ours),
        "ours without misses": rows([o for o in plain if o.workload.key in keys]),
        "ours without chains of the family's layers": rows([o for o in strict if o.workload.key in keys]),
        **baselines(training.networks, keys),
        "worst": worst(ours),
        "wide_resnet50_2 / resnext50_32x4d": ratio(ours),
        "missing": without,
        "bars": bars(ours),
    }
    for name, values in found.items():
        print(training.backend, name, values, flush=True)
    return found


if __name__ == "__main__":
    run(
        main,
        ("--db", {"required": True, "help": "database that keeps what was measured"}),
        # A few more than are to be judged: what is all ``none`` compiles to a constant, and takes no time.
        ("--random", {"type": int, "default": 204, "help": "random architectures"}),
        ("--further", {"type": int, "default": 0, "help": "passes after these two, kernels timed in each"}),
        ("--further-on", {"default": ",".join(_BACKENDS), "help": "backends of those"}),
        ("--measured", {"action": "store_true", "help": "measure nothing, learn from what is there"}),
    )
