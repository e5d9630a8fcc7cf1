"""What a predictor learns from, out of the database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwnas.core.measurement import PROTOCOL_VERSION, Block, Measurement
from hwnas.predicting import training_set
from hwnas.predicting.training_set import read_training_set
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement, example_workload

HERE = example_environment()
CPU, GPU = "openvino:cpu:fp32", "openvino:gpu:fp16"
REFERENCE = {"compute": 1e-3, "copy": 5e-4}


def slowed(uid: str, backend: str, **changes: Any) -> Measurement:
    """2 ms, while the canary took 1.3 times what it usually takes."""
    canary = {name: 1.3 * value for name, value in REFERENCE.items()}
    blocks = tuple(Block(number, 0.1 * number, (2e-3,), canary, canary) for number in range(4))
    return example_measurement(uid, group=uid, backend=backend, blocks=blocks, **changes)


@pytest.mark.parametrize(("backend", "latency_s"), [(CPU, 2e-3 / 1.3), (GPU, 2e-3)])
def test_what_slowed_the_processor_need_not_have_slowed_another_device(
    tmp_path: Path, backend: str, latency_s: float
) -> None:
    with LatencyStore.open(tmp_path / "latency.sqlite") as store:
        store.set_canary_reference(HERE, PROTOCOL_VERSION, REFERENCE)
        store.add(slowed("u0", backend), HERE)
        (found,) = read_training_set(store, HERE.fingerprint, backend, 1, fewest=1).networks
    assert found.latency_s == pytest.approx(latency_s)


def test_what_a_campaign_stores_meanwhile_is_learned_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LatencyStore.open(tmp_path / "latency.sqlite") as store:
        store.add(slowed("u0", CPU), HERE)
        read_speeds = training_set._speeds

        def then_another(*arguments: Any) -> dict[str, float]:
            found = read_speeds(*arguments)
            store.add(slowed("u1", CPU, workload=example_workload(20)), HERE)
            return found

        with monkeypatch.context() as patched:
            patched.setattr(training_set, "_speeds", then_another)
            first = read_training_set(store, HERE.fingerprint, CPU, 1, fewest=1)
        second = read_training_set(store, HERE.fingerprint, CPU, 1, fewest=1)
    assert [n.workload for n in first.networks] == [example_workload()]
    assert len(second.networks) == 2


def test_a_campaign_that_models_no_misses_leaves_those_that_are_known(tmp_path: Path) -> None:
    """As ``hwnas measure --fresh --cache-misses off`` stores them."""
    plain = example_measurement().kernels
    first = replace(plain[0], attributes={**plain[0].attributes, "llc_misses": {"4194304,16,64": 5.0}})
    with LatencyStore.open(tmp_path / "latency.sqlite") as store:
        store.add(slowed("u0", CPU, kernels=(first, plain[1])), HERE)
        store.add(slowed("u1", CPU), HERE)
        (found,) = read_training_set(store, HERE.fingerprint, CPU, 1, fewest=1).networks
    assert found.kernels[0].misses == {"4194304,16,64": 5.0}
    assert found.kernels[1].misses is None
    assert found.times_s == (1e-3, None)
