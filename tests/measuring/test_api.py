"""`hwnas.measure` as a notebook calls it."""

from __future__ import annotations

import copy

import pytest
import torch

import hwnas
from hwnas.core.errors import LockHeld, UsageError
from hwnas.core.measurement import Status
from hwnas.host.lock import measuring_lock
from hwnas.measuring.crew import Crew
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
from hwnas.workloads.patterns import pattern_workload

QUICK = Settings(
    passes=1, max_passes=1, budget_s=0.05, turn_s=0.02, min_rounds=2, warmup_s=0.01, warmup_cap_s=0.1
)


def _network() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()).eval()


def test_a_module_that_cannot_be_copied_is_measured_and_notices_are_told_and_kept(monkeypatch) -> None:
    module = _network()
    # Computed from a parameter, as a normalised weight is: PyTorch refuses to copy it.
    module.scale = module[0].weight.mean()
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(module)
    monkeypatch.setattr("hwnas.measuring.campaign.BusyWatch.judge", lambda *_: "it is busy")
    heard = Silent()
    found = hwnas.measure(
        module,
        torch.randn(1, 3, 16, 16),
        backends=["torch"],
        settings=QUICK,
        cache_misses="off",
        watcher=heard,
    )
    assert found["torch"].status is Status.OK
    assert list(found.notices) == heard.notices == ["it is busy"]


def test_what_an_earlier_call_has_kept_is_not_measured_again(tmp_path, monkeypatch) -> None:
    model, image = _network(), torch.randn(1, 3, 16, 16)

    def measured() -> hwnas.Measurements:
        return hwnas.measure(
            model, image, backends=["torch"], settings=QUICK, cache_misses="off", store=tmp_path / "mine.sqlite"
        )

    first = measured()
    monkeypatch.setattr(Crew, "worker", None)
    again = measured()
    assert again["torch"].estimate == first["torch"].estimate is not None
    assert [m.uid for m in again["torch"].passes] == [m.uid for m in first["torch"].passes]


def test_nothing_is_computed_while_somebody_else_measures(monkeypatch) -> None:
    for name in ("module_cost", "Plan"):
        monkeypatch.setattr(f"hwnas.measuring.api.{name}", None)
    with measuring_lock("another"):
        for model, given in (
            (_network(), torch.randn(1, 3, 16, 16)),
            (pattern_workload("standard", depth=1, width=8, resolution=8), None),
        ):
            with pytest.raises(LockHeld, match="another"):
                hwnas.measure(model, given, backends=["torch"])


@pytest.mark.parametrize("threads", ["all", 1.5, True])
def test_threads_that_are_no_whole_number(threads) -> None:
    with pytest.raises(UsageError, match="whole number"):
        hwnas.measure(_network(), torch.randn(1, 3, 16, 16), threads=threads)
