"""One budget of time for several campaigns: evenly first, then where intervals are widest."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest

from hwnas.core.measurement import Status
from hwnas.core.resources import data_folder
from hwnas.host.machine import probe_environment
from hwnas.measuring import study
from hwnas.measuring.campaign import Campaign, Outcome
from hwnas.measuring.events import Silent
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.measuring.study import STUDY, Study
from hwnas.measuring.undecided import widths_over_wanted
from hwnas.store import LatencyStore
from hwnas.workloads.patterns import pattern_workload

BRIEF = Settings(
    passes=2, max_passes=2, budget_s=0.1, turn_s=0.02, min_rounds=2, warmup_s=0.02, warmup_cap_s=0.1
)
SMALL, LARGE = (pattern_workload("standard", depth=d, width=8, resolution=8) for d in (1, 30))
ARMS = ("torch:cpu:fp32", "openvino:cpu:fp32")


def _plan(name: str, *workloads, passes: int = 2) -> Plan:
    return Plan.of(Experiment(name, "", workloads, ARMS, 1, replace(BRIEF, passes=passes)))


class Recorded:
    """Stands for a campaign: notes what it is asked for, and takes no time."""

    def __init__(self, plan: Plan, log: list, measures: int = 100) -> None:
        self.plan = plan
        self._log = log
        self._left = measures

    @contextmanager
    def opened(self, *, fresh: bool = False):
        yield Outcome(self.plan.experiment.name, 0)

    def measure(self, groups, until) -> bool:
        if not groups:
            return True
        self._left -= 1
        if self._left < 0:
            return False
        self._log.append((self.plan.experiment.name, [g.workload for g in groups], groups[0].pass_index))
        for group in groups:
            for backend in group.backends:
                self.plan.mark(group.workload.key, backend, group.pass_index, Status.OK)
        return True

    def reference(self) -> None:
        return None

    def count(self, until: float) -> None:
        self._log.append((self.plan.experiment.name, "count"))


def test_first_passes_come_first_the_quickest_campaign_before_the_others() -> None:
    log: list = []
    campaigns = [Recorded(_plan("slow", LARGE), log, 2), Recorded(_plan("quick", SMALL, passes=1), log, 1)]
    Study(campaigns, None, 1e6)._planned(1e9)
    assert log == [("quick", [SMALL], 0), ("slow", [LARGE], 0), ("slow", [LARGE], 1)]


def test_what_time_is_left_goes_to_the_widest_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = {SMALL: [5.0, 3.0, 0.5], LARGE: [4.0, 0.2]}
    asked: list = []

    def next_width(store, uid, workloads, arms, **_):
        asked.append(list(workloads))
        return {w: widths[w].pop(0) for w in workloads}

    monkeypatch.setattr(study, "widths_over_wanted", next_width)
    log: list = []
    campaigns = [Recorded(_plan("a", SMALL), log), Recorded(_plan("b", LARGE), log)]
    Study(campaigns, None, 1e6).run()
    assert sorted(log[:4]) == [("a", [SMALL], 0), ("a", [SMALL], 1), ("b", [LARGE], 0), ("b", [LARGE], 1)]
    assert log[4:] == [
        ("a", "count"),
        ("b", "count"),
        ("a", [SMALL], 2),
        ("b", [LARGE], 2),
        ("a", [SMALL], 3),
    ]
    # Only what was measured since is estimated again.
    assert [w for w in asked if w] == [[SMALL], [LARGE], [SMALL], [LARGE], [SMALL]]


@pytest.fixture
def store(tmp_path):
    with LatencyStore.open(tmp_path / "test.sqlite") as opened:
        yield opened


def _study(store, budget_s, *plans):
    environment = probe_environment()
    return Study([Campaign(plan, store, environment, Silent()) for plan in plans], store, budget_s).run()


def test_a_budget_too_small_for_anything_measures_nothing_and_loses_nothing(store) -> None:
    (outcome,) = _study(store, 1e-6, _plan("a", SMALL))
    assert outcome.counts == {}
    (outcome,) = _study(store, None, _plan("a", SMALL))
    assert outcome.counts == {Status.OK: 4}


def test_a_budget_buys_further_passes_on_the_real_runtimes(store, monkeypatch) -> None:
    # One round is enough: the second time everything is narrow.
    narrow: list = []

    def once(*arguments, **asked):
        found = widths_over_wanted(*arguments, **asked)
        assert all(width > 0 for width in found.values())
        narrow.append(found)
        return dict.fromkeys(found, 2.0 if len(narrow) == 1 else 0.0)

    monkeypatch.setattr(study, "widths_over_wanted", once)
    (outcome,) = _study(store, 3600.0, _plan("a", SMALL))
    assert outcome.counts == {Status.OK: 6}
    stored = [s.measurement for s in store.measurements(campaign_uid=outcome.campaign_uid)]
    assert {(m.backend, m.pass_index) for m in stored} == {(b, p) for b in ARMS for p in range(3)}
    assert all(bool(m.kernels) == (m.pass_index == 0) for m in stored)


def test_latencies_count_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list = []
    monkeypatch.setattr(study, "widths_over_wanted", lambda *a, **how: asked.append(how) or {})
    for wanted in (0.0, 0.04):
        plan = Plan.of(Experiment("a", "", (SMALL,), ARMS, 1, replace(BRIEF, latency_half_width=wanted)))
        Study([Recorded(plan, [])], None, 1e6).run()
    assert [how["latency_half_width"] for how in asked] == [0.0, 0.04]


def test_the_study_is_what_ships() -> None:
    shipped = {p.stem for p in data_folder("experiments").glob("*.yaml")}
    assert {name for name, _ in STUDY} == shipped - {"quick"}


def test_passes_that_tell_nothing_end_the_search_for_wide_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """An arm that was measured once and is refused now leaves its interval as it was."""
    monkeypatch.setattr(study, "widths_over_wanted", lambda *a, **_: dict.fromkeys(a[2], 20.0))
    log: list = []
    Study([Recorded(_plan("a", SMALL), log)], None, 1e6).run()
    assert [entry[2] for entry in log if len(entry) == 3] == [0, 1, 2]


def test_campaigns_that_only_count_get_no_further_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "widths_over_wanted", lambda *a, **_: dict.fromkeys(a[2], 20.0))
    log: list = []
    Study([Recorded(_plan("a", SMALL, passes=1), log)], None, 1e6).run()
    assert log == [("a", [SMALL], 0), ("a", "count")]
