"""A search that goes on is the one that was begun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hwnas.core.errors import UsageError
from hwnas.jobs.declaring import declared_before
from hwnas.jobs.folder import Declared, SearchFolder
from hwnas.jobs.options import SearchOptions

BEGUN = SearchOptions(epochs=2, max_latency_s={"openvino:cpu:fp32": 1e-3})


@pytest.fixture
def folder(tmp_path: Path) -> SearchFolder:
    found = SearchFolder(tmp_path / "out")
    found.begin(Declared(BEGUN, "mine", "2026-01-01T00:00:00+00:00", str(tmp_path / "a.db")))
    return found


def test_it_may_go_on_for_longer_and_end_otherwise(folder: SearchFolder, tmp_path: Path) -> None:
    longer = replace(BEGUN, trials=99, budget_s=5.0, finalists=1, final_seeds=1)
    declared, place = declared_before(folder, longer, None)
    assert declared.options == longer == folder.declared().options
    assert (declared.study, place) == ("mine", str(tmp_path / "a.db"))


def test_what_it_took_by_itself_may_be_said(folder: SearchFolder) -> None:
    declared_before(folder, replace(BEGUN, sampler="hwnas", data="digits"), None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"epochs": 3}, "was begun with epochs 2, not 3"),
        ({"max_latency_s": {"openvino:cpu:fp32": 2e-3}}, "was begun with max_latency_s"),
        ({"data": "cifar10:/data"}, "was begun with data None, not cifar10:/data"),
        ({"prune": False}, "was begun with prune True, not False"),
    ],
)
def test_another_search_is_refused(folder: SearchFolder, changed: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        declared_before(folder, replace(BEGUN, **changed), None)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert folder.declared().options == BEGUN


@pytest.mark.parametrize("options", [{"max_latency_s": []}, {"trials": "5"}, []])
def test_a_file_with_other_types_is_damaged(folder: SearchFolder, options: object) -> None:
    told = folder.read("search.json")
    folder.write("search.json", {**told, "options": options})
    with pytest.raises(UsageError, match=r"search\.json is damaged"):
        folder.declared()
