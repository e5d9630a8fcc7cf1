"""The benchmark scripts compare what belongs together, and end in one line where they cannot go on."""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hwnas.core.errors import LockHeld
from hwnas.core.measurement import PROTOCOL_VERSION
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_workload
from hwnas.testing.synthetic import CANARY_REFERENCE, SyntheticHost

TORCH, OPENVINO = "torch:cpu:fp32", "openvino:cpu:fp32"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def stored_run(path: Path, latencies_s: Mapping[str, float], *, seed: int, cpu_model: str = "A CPU") -> str:
    environment, host = example_environment(cpu_model), SyntheticHost(seed)
    with LatencyStore.open(path) as store:
        uid = store.campaign("networks", {"threads": 1}, environment).uid
        store.set_canary_reference(environment, PROTOCOL_VERSION, CANARY_REFERENCE)
        for pass_index in range(3):
            for m in host.group(example_workload(), latencies_s, pass_index=pass_index):
                store.add(m, environment, campaign_uid=uid)
    return str(path)


@pytest.mark.usefixtures("scripts")
def test_two_runs_agree_where_their_latencies_do(tmp_path: Path) -> None:
    first = stored_run(tmp_path / "1.sqlite", {TORCH: 4e-3, OPENVINO: 2e-3}, seed=1)
    same = stored_run(tmp_path / "2.sqlite", {TORCH: 4e-3, OPENVINO: 2e-3}, seed=2)
    slower = stored_run(tmp_path / "3.sqlite", {TORCH: 4e-3, OPENVINO: 3e-3}, seed=2, cpu_model="Another")
    main = script("repeatability").main
    found = main(Namespace(first=first, second=same))
    assert (found["cells"], found["within_5_percent"], found["passed"]) == (2, 100.0, True)
    assert found["same_environment"]
    found = main(Namespace(first=first, second=slower))
    assert (found["within_5_percent"], found["by_backend"]) == (50.0, {TORCH: 100.0, OPENVINO: 0.0})
    assert not found["passed"]
    assert not found["same_environment"]


@pytest.mark.usefixtures("scripts")
def test_a_run_that_was_interrupted_does_not_pass(tmp_path: Path) -> None:
    first = stored_run(tmp_path / "1.sqlite", {TORCH: 4e-3, OPENVINO: 2e-3}, seed=1)
    half = stored_run(tmp_path / "2.sqlite", {TORCH: 4e-3}, seed=2)
    found = script("repeatability").main(Namespace(first=first, second=half))
    assert found["within_5_percent"] == 100.0
    assert found["in_one_run_only"] == [f"{example_workload().label} {OPENVINO}"]
    assert not found["passed"]


@pytest.mark.usefixtures("scripts")
def test_a_database_without_the_campaign_is_told_in_one_line(tmp_path: Path) -> None:
    first = stored_run(tmp_path / "1.sqlite", {TORCH: 4e-3}, seed=1)
    with LatencyStore.open(tmp_path / "2.sqlite") as store:
        store.campaign("depth", {"threads": 1}, example_environment())
    with pytest.raises(SystemExit, match="no campaign 'networks'"):
        script("repeatability").main(Namespace(first=first, second=str(tmp_path / "2.sqlite")))


@pytest.mark.usefixtures("scripts")
def test_what_a_kept_database_holds_is_not_compared_with_todays_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    class Campaign:
        def __init__(self, plan: Any, store: LatencyStore, environment: Any, watcher: Any) -> None:
            self._plan, self._store, self._environment = plan, store, environment

        def run(self, *, fresh: bool = False) -> Namespace:
            asked.append(fresh)
            experiment = self._plan.experiment
            uid = self._store.campaign(experiment.name, {}, self._environment, fresh=fresh).uid
            (workload,), (backend,) = experiment.workloads, experiment.backends
            for m in SyntheticHost(len(asked)).group(workload, {backend: 2e-3}):
                self._store.add(m, self._environment, campaign_uid=uid)
            return Namespace(campaign_uid=uid)

    def timed(*_: Any) -> float:
        return 2e-3 + 1e-5 * len(asked)

    repeat = script("repeat")
    monkeypatch.setattr(repeat, "Campaign", Campaign)
    monkeypatch.setattr(repeat, "save_ir", lambda *_: tmp_path / "model.xml")
    for tool in ("benchmark_app_s", "torch_timer_s"):
        monkeypatch.setattr(repeat, tool, timed)
    repeat.main(Namespace(networks=["squeezenet1_1"], repeats=2, seconds=1.0, keep="sqlite://"))
    assert asked == [True] * 4


@pytest.mark.usefixtures("scripts")
def test_an_error_of_hwnas_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(options: Namespace) -> dict[str, Any]:
        raise LockHeld("this machine is already being measured", "Wait for its end")

    monkeypatch.setattr(sys, "argv", ["benchmark.py"])
    with pytest.raises(SystemExit, match=r"^this machine is already being measured\. Wait for its end$"):
        script("reporting").run(main)
