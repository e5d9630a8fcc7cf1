"""Workers as a campaign starts them."""

import io
import os
from typing import Any

import pytest

from hwnas.host.allocator import STEADY_HEAP, heap_settings
from hwnas.measuring import worker
from hwnas.measuring.crew import Crew
from hwnas.measuring.reference import reference_path
from hwnas.measuring.wire import receive, send
from hwnas.workloads.patterns import pattern_workload

TINY = pattern_workload("standard", depth=2, width=8, resolution=8)


@pytest.mark.parametrize(
    ("arm", "expected"), [("torch:cpu:fp32", dict(STEADY_HEAP)), ("torch-default-heap:cpu:fp32", {})]
)
def test_workers_have_a_steady_heap_unless_their_arm_wants_the_c_librarys_own(
    arm: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    for name in heap_settings(os.environ):
        monkeypatch.delenv(name)
    assert _effective(arm, tmp_path)["allocator"] == expected


def test_a_setting_of_the_users_own_stays_but_for_numbers_of_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    """`--threads` alone decides on these."""
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "123456")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    found = _effective("torch:cpu:fp32", tmp_path)
    assert found["allocator"]["MALLOC_TRIM_THRESHOLD_"] == "123456"
    assert [found["variables"][name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")] == ["1", "1"]


def _effective(arm: str, folder) -> dict[str, Any]:
    """What was in force in the arm's worker, as it stores it."""
    with Crew(1, 300) as crew:
        crew.ensure_reference(TINY, b"", folder, 300)
        answer = crew.worker(arm).call(
            "prepare",
            timeout_s=300,
            workload=TINY.to_dict(),
            scratch=str(folder),
            warmup_s=0.01,
            warmup_cap_s=0.05,
        )
        return answer["effective"]


def test_the_referee_gives_back_the_memory_of_its_network(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Its process lives as long as the pass, beside arms that need the memory."""
    given_back = []
    monkeypatch.setattr(worker, "return_freed_memory", lambda: given_back.append(True))
    worker.Worker().reference({"workload": TINY.to_dict(), "scratch": str(tmp_path)}, b"")
    assert reference_path(TINY, tmp_path).exists()
    assert given_back == [True]


def test_what_a_failed_command_held_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a network that cannot run on its input: no arm could use what the referee keeps."""
    given_back = []
    monkeypatch.setattr(worker, "return_freed_memory", lambda: given_back.append(True))
    source, sink = io.BytesIO(), io.BytesIO()
    send(source, {"command": "reference", "workload": {}, "scratch": "/"})
    source.seek(0)
    worker.serve(source, sink)
    sink.seek(0)
    answer, _ = receive(sink)
    assert answer["error"] == "UsageError"
    assert given_back == [True]
