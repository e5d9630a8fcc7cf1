"""The benchmark scripts compare what belongs together, and end in one line where they cannot go on."""

from __future__ import annotations

import importlib
import math
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from hwnas.core.errors import LockHeld, UsageError
from hwnas.core.measurement import PROTOCOL_VERSION
from hwnas.measuring.statistics import Estimate
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
def test_how_far_two_runs_differ_is_told_beside_what_their_intervals_say(tmp_path: Path) -> None:
    first = stored_run(tmp_path / "1.sqlite", {TORCH: 0.4, OPENVINO: 2e-3}, seed=1)
    slower = stored_run(tmp_path / "2.sqlite", {TORCH: 0.4, OPENVINO: 3e-3}, seed=2)
    found = script("repeatability").main(Namespace(first=first, second=slower))
    rows = {name.rpartition(" ")[2]: row for name, row in found["rows"].items()}
    torch, openvino = rows[TORCH], rows[OPENVINO]
    assert (found["within_5_percent_below_100_ms"], found["within_5_percent_from_100_ms"]) == (0.0, 100.0)
    assert found["largest_difference_percent"] == openvino["difference_percent"] == pytest.approx(50, abs=3)
    squares = torch["difference_percent"] ** 2 + openvino["difference_percent"] ** 2
    assert found["root_mean_square_percent"] == pytest.approx((squares / 2) ** 0.5, abs=0.01)
    assert found["within_interval_of_difference_percent"] == found["intervals_meet_percent"] == 50.0
    pairs = zip(torch["half_widths_percent"], openvino["half_widths_percent"], strict=True)
    assert found["median_half_width_percent"] == pytest.approx([sum(pair) / 2 for pair in pairs], abs=0.01)


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(
    ("apart", "within", "meet"), [(0.025, 100.0, 100.0), (0.035, 0.0, 100.0), (0.045, 0.0, 0.0)]
)
def test_a_difference_has_an_interval_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: float, within: float, meet: float
) -> None:
    """Of two runs known to 2 %: 2.8 %, where intervals meet up to 4 %."""
    runs = [stored_run(tmp_path / f"{seed}.sqlite", {TORCH: 4e-3}, seed=seed) for seed in (1, 2)]
    ends = [[1e-3 * math.exp(middle + off) for off in (0, -0.02, 0.02, 0)] for middle in (0, apart)]
    told = iter(Estimate(*values, 0.01, 0.01, 3, 30, None) for values in ends)
    repeatability = script("repeatability")
    monkeypatch.setattr(repeatability, "estimate", lambda *_: next(told))
    found = repeatability.main(Namespace(first=runs[0], second=runs[1]))
    assert found["within_interval_of_difference_percent"] == within
    assert found["intervals_meet_percent"] == meet


@pytest.mark.usefixtures("scripts")
def test_regrets_meet_their_bars_as_they_are_and_not_as_they_are_printed() -> None:
    tabular = script("search_tabular")

    def told(search: str, *regrets: float) -> dict[str, Any]:
        measured = 20 if search == tabular.OURS else None
        return tabular._summary(
            [
                {
                    "search": search,
                    "limit_ms": 11.6,
                    "seed": seed,
                    "regret": dict.fromkeys(tabular.COUNTS, regret),
                    "beyond": 0.0,
                    "measured": measured,
                }
                for seed, regret in enumerate(regrets)
            ]
        )

    met = tabular._verdicts([told(tabular.OURS, 0.01, 0.01), told("random", 0.02, 0.02)])
    assert met["bars"]["11.6 ms after 100"]
    assert met["passed"]
    ours, theirs = told(tabular.OURS, 0.010, 0.010, 0.011), told("random", 0.010, 0.010, 0.010)
    assert ours["regret_100"] == theirs["regret_100"] == 0.01
    found = tabular._verdicts([ours, theirs])
    assert not found["bars"]["11.6 ms after 100"]
    assert not any(found["ahead"].values())


@pytest.mark.usefixtures("scripts")
def test_the_interval_of_a_regret_is_students_and_one_seed_has_none() -> None:
    tabular = script("search_tabular")
    values = [0.1, 0.4, 0.2, 0.3]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert tabular._interval(np.array(values)) == pytest.approx(expected, abs=5e-4)
    assert tabular._interval(np.array([0.1])) is None


@pytest.mark.usefixtures("scripts")
def test_eight_repeats_tell_a_variation_to_a_factor_of_two_either_way() -> None:
    """Of two tools that vary alike, 95 of 100 intervals of the ratio hold 1."""
    repeat, reporting = script("repeat"), script("reporting")
    assert repeat.ratio_interval(1.0, 8) == pytest.approx([0.447, 2.235], abs=1e-3)
    rng = np.random.default_rng(0)
    held = []
    for _ in range(1000):
        ours, theirs = (reporting.variation(rng.normal(1.0, 0.03, 8).tolist()) for _ in range(2))
        low, high = repeat.ratio_interval(ours / theirs, 8)
        held.append(low <= 1 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


@pytest.mark.usefixtures("scripts")
def test_one_repeat_tells_nothing_of_variation() -> None:
    with pytest.raises(UsageError, match="repeats is 1"):
        script("repeat").main(Namespace(networks=["squeezenet1_1"], repeats=1, seconds=1.0, keep="sqlite://"))


@pytest.mark.usefixtures("scripts")
def test_an_error_of_hwnas_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(options: Namespace) -> dict[str, Any]:
        raise LockHeld("this machine is already being measured", "Wait for its end")

    monkeypatch.setattr(sys, "argv", ["benchmark.py"])
    with pytest.raises(SystemExit, match=r"^this machine is already being measured\. Wait for its end$"):
        script("reporting").run(main)
