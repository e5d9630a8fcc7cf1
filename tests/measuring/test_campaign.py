"""Whole campaigns on real runtimes, small; every fault costs its cell and nothing else."""

import re
import threading
from dataclasses import replace

import pytest

from hwnas.backends.registry import BACKENDS
from hwnas.core.errors import LockHeld, UsageError, WorkerDied
from hwnas.core.measurement import Status
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.campaign import Campaign
from hwnas.measuring.crew import Crew
from hwnas.measuring.events import Silent
from hwnas.measuring.experiment import Experiment
from hwnas.measuring.plan import Plan
from hwnas.measuring.settings import Settings
from hwnas.measuring.statistics import Verdict, compare, estimate
from hwnas.measuring.worker_client import WorkerClient
from hwnas.store import LatencyStore
from hwnas.workloads.patterns import pattern_workload

SMALL = Settings(
    passes=2,
    max_passes=2,
    budget_s=0.2,
    turn_s=0.03,
    min_rounds=2,
    warmup_s=0.05,
    warmup_cap_s=0.2,
    cell_timeout_s=300,
)
ONCE = replace(SMALL, passes=1, max_passes=1)
TINY = pattern_workload("standard", depth=2, width=8, resolution=8)
OTHER = pattern_workload("depthwise_separable", depth=2, width=8, resolution=8)


def _bad(name):
    ids = {
        "Crashes": "crashes",
        "Hangs": "hangs",
        "EatsMemory": "eats",
        "ComputesNonsense": "nonsense",
        "Missing": "missing",
    }
    backend_id = f"{ids[name]}:cpu:fp32"
    BACKENDS.add(backend_id, f"misbehaving:{name}")
    return backend_id


@pytest.fixture
def store(tmp_path):
    with LatencyStore.open(tmp_path / "test.sqlite") as opened:
        yield opened


def _run(store, *backends, workloads=(TINY,), settings=ONCE, name="test", fresh=False):
    experiment = Experiment(name, "", workloads, backends, 1, settings)
    watcher = Silent()
    return Campaign(Plan.of(experiment), store, probe_environment(), watcher).run(fresh=fresh)


def _measured(store, outcome):
    return [s.measurement for s in store.measurements(campaign_uid=outcome.campaign_uid)]


def test_equal_hosts_on_one_database_share_a_campaign(tmp_path, store):
    experiment = Experiment("test", "", (TINY, OTHER), ("torch:cpu:fp32",), 1, ONCE)
    environment = probe_environment()

    class Other(Silent):
        """When the first cell is timed, the other host finishes all of them."""

        begun = False
        told = ()

        def progress(self, progress):
            if progress.activity == "timing" and not self.begun:
                self.begun = True
                twin = Campaign(Plan.of(experiment), store, environment, Silent())
                assert twin.run().counts == {Status.OK: 2}

        def notice(self, text):
            self.told = (*self.told, text)

    watcher = Other()
    outcome = Campaign(Plan.of(experiment), store, environment, watcher).run()
    assert outcome.counts == {}
    assert any("measured meanwhile by an equal host" in text for text in watcher.told)
    assert len(_measured(store, outcome)) == 2


def test_two_runtimes_end_to_end(store):
    outcome = _run(store, "torch:cpu:fp32", "openvino:cpu:fp32", workloads=(TINY, OTHER), settings=SMALL)
    assert outcome.counts == {Status.OK: 8}
    stored = _measured(store, outcome)
    assert len(stored) == 8
    for m in stored:
        assert m.agreement.passed
        assert m.agreement.max_relative_error < 1e-3
        assert m.effective["threads"] == 1
        assert m.samples_s
        assert m.preparation.warmup_calls
        assert m.peak_memory_bytes > 50e6
        assert all(b.canary_before_s for b in m.blocks)
        assert m.stop_reason
    first = [m for m in stored if m.pass_index == 0]
    assert all(m.kernels for m in first)
    for m in (m for m in first if m.backend == "torch:cpu:fp32"):
        assert all(k.time_s is not None for k in m.kernels)
        # Kernels in place make up the network; what lies between them is the runtime's own. A profiler that
        # costs as much as kernels so small, and a slow moment of the host, make them look longer.
        assert 0.05 < sum(k.time_s for k in m.kernels) / m.median_s < 10
    mine = [m for m in stored if m.workload == TINY]
    torch_passes, openvino_passes = (
        [m for m in mine if m.backend == b] for b in ("torch:cpu:fp32", "openvino:cpu:fp32")
    )
    # Converted once a campaign, compiled in every process.
    assert [m.preparation.convert_s is None for m in openvino_passes] == [False, True]
    assert all(m.preparation.compile_s for m in openvino_passes)
    assert compare(torch_passes, openvino_passes).speedup > 0
    assert store.canary_reference(probe_environment(), stored[0].protocol)
    assert estimate(torch_passes, None).passes == 2
    assert 0 < outcome.inference_s < outcome.elapsed_s
    # Arms of a group share rounds, and passes are other groups.
    groups = {}
    for m in mine:
        groups.setdefault(m.group, []).append(m)
    assert sorted(len(g) for g in groups.values()) == [2, 2]
    for one, other in groups.values():
        assert one.pass_index == other.pass_index
        assert {b.round for b in one.blocks} == {b.round for b in other.blocks}


def test_a_finished_campaign_is_not_measured_again_unless_fresh(store):
    first = _run(store, "torch:cpu:fp32")
    again = _run(store, "torch:cpu:fp32")
    assert again.counts == {}
    assert again.resumed == 1
    assert again.campaign_uid == first.campaign_uid
    anew = _run(store, "torch:cpu:fp32", fresh=True)
    assert anew.counts == {Status.OK: 1}
    assert anew.campaign_uid != first.campaign_uid


def test_a_bad_arm_costs_its_cell_alone(store):
    fates_of = {
        "Crashes": (Status.FAILED, "exit code 9"),
        "ComputesNonsense": (Status.FAILED, "differ from the reference"),
        "Missing": (Status.SKIPPED, "Buy one"),
    }
    arms = {_bad(name): fate for name, fate in fates_of.items()}
    outcome = _run(store, "torch:cpu:fp32", *arms, workloads=(TINY, OTHER), settings=SMALL)
    measured = _measured(store, outcome)
    fates = {(m.workload, m.backend): m for m in measured}
    for workload in (TINY, OTHER):
        for arm, (status, reason) in arms.items():
            bad = fates[workload, arm]
            assert bad.status is status
            assert reason in bad.reason
            assert bad.blocks == ()
    good = [m for m in measured if m.backend == "torch:cpu:fp32"]
    assert [m.status for m in good] == [Status.OK] * 4
    # A bad arm is tried once a campaign and workload, not once a pass.
    assert len(measured) == 4 + 2 * len(arms)


def test_a_hanging_arm_is_ended_by_its_time_limit(store, monkeypatch):
    """Whatever else takes longer than that on a slow machine, as to import a runtime, has its time."""
    settings = Settings(
        passes=1, max_passes=1, budget_s=0.2, turn_s=0.03, min_rounds=2, warmup_s=0.01, cell_timeout_s=10
    )
    hanging, call = _bad("Hangs"), WorkerClient.call

    def patient(worker, command, *, timeout_s, **message):
        runs = worker.backend_id == hanging and command in ("prepare", "turn")
        return call(worker, command, timeout_s=timeout_s if runs else 300, **message)

    monkeypatch.setattr(WorkerClient, "call", patient)
    outcome = _run(store, "torch:cpu:fp32", hanging, settings=settings)
    fates = {m.backend: m for m in _measured(store, outcome)}
    assert fates[hanging].status is Status.FAILED
    assert re.search("no answer to '(prepare|turn)' within 10 s", fates[hanging].reason)
    assert fates["torch:cpu:fp32"].status is Status.OK


def test_an_arm_that_eats_memory_is_ended_by_its_limit(store, monkeypatch):
    monkeypatch.setattr("hwnas.measuring.group.available_memory_bytes", lambda: 2**31)
    outcome = _run(store, _bad("EatsMemory"), settings=Settings(passes=1, max_passes=1, memory_fraction=0.9))
    (m,) = _measured(store, outcome)
    assert m.status is Status.FAILED
    assert "GiB" in m.reason


def test_a_cell_that_would_not_fit_is_refused_before_it_starts(store, monkeypatch):
    monkeypatch.setattr("hwnas.measuring.group.available_memory_bytes", lambda: 2**28)
    started = []
    monkeypatch.setattr(Crew, "_running", lambda *arguments: started.append(arguments))
    outcome = _run(store, "torch:cpu:fp32")
    (m,) = _measured(store, outcome)
    assert m.status is Status.REFUSED
    assert "would need about" in m.reason
    assert started == []


def test_an_open_verdict_gets_further_passes_of_all_arms(store):
    settings = replace(SMALL, max_passes=3, budget_s=0.05)
    outcome = _run(store, "torch:cpu:fp32", "openvino:cpu:fp32", settings=settings)
    measured = _measured(store, outcome)
    passes = {
        b: sorted(m.pass_index for m in measured if m.backend == b)
        for b in ("torch:cpu:fp32", "openvino:cpu:fp32")
    }
    assert passes["torch:cpu:fp32"] == passes["openvino:cpu:fp32"] in ([0, 1], [0, 1, 2])
    arms = [[m for m in measured if m.backend == b] for b in passes]
    if len(arms[0]) < 3:
        assert compare(*arms).verdict is not Verdict.UNCLEAR


def test_refused_cells_can_be_tried_again(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("hwnas.measuring.group.available_memory_bytes", lambda: 2**28)
        refused = _run(store, "torch:cpu:fp32")
    assert store.retry(refused.campaign_uid, [Status.REFUSED]) == 1
    assert _run(store, "torch:cpu:fp32").counts == {Status.OK: 1}


def test_an_arm_that_is_tried_again_is_compared_and_its_kernels_are_read(store, monkeypatch):
    """Also where no verdict may get a further pass."""
    arms = ("torch:cpu:fp32", "openvino:cpu:fp32")
    worker = Crew.worker

    def failing(crew, backend_id):
        if backend_id == arms[1]:
            raise WorkerDied("not today")
        return worker(crew, backend_id)

    with monkeypatch.context() as patch:
        patch.setattr(Crew, "worker", failing)
        first = _run(store, *arms)
    assert first.counts == {Status.OK: 1, Status.FAILED: 1}
    store.retry(first.campaign_uid, [Status.FAILED])
    again = _run(store, *arms)
    assert again.counts == {Status.OK: 2}
    measured = _measured(store, again)
    (late,) = (m for m in measured if m.backend == arms[1])
    assert late.kernels
    base = [m for m in measured if m.backend == arms[0]]
    assert [bool(m.kernels) for m in base] == [True, False]
    assert compare(base, [late]).speedup > 0
    assert _run(store, *arms).counts == {}


def test_a_second_campaign_hears_who_holds_the_lock(tmp_path, monkeypatch):
    import subprocess
    import sys

    monkeypatch.setenv("HWNAS_LOCK", str(tmp_path / "lock"))
    with measuring_lock("the first campaign"):
        second = subprocess.run(
            [sys.executable, "-m", "hwnas", "measure", "--db", str(tmp_path / "x.sqlite")],
            capture_output=True,
            text=True,
        )
    assert second.returncode == 2
    assert "the first campaign" in second.stderr
    assert "Traceback" not in second.stderr
    with measuring_lock("again"):
        pass


def test_the_lock_is_exclusive_within_a_process(tmp_path, monkeypatch):
    monkeypatch.setenv("HWNAS_LOCK", str(tmp_path / "lock"))
    caught = []

    def second():
        try:
            with measuring_lock("second"):
                pass
        except LockHeld as error:
            caught.append(str(error))

    with measuring_lock("first"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert caught
    assert "first" in caught[0]


def test_settings_out_of_range_name_the_setting():
    with pytest.raises(UsageError, match="budget_s"):
        Settings(budget_s=-1)
    with pytest.raises(UsageError, match=r"unknown setting 'pases'.*passes"):
        Settings.from_dict({"pases": 2})
