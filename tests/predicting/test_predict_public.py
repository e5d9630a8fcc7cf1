"""The benchmark on public tables keeps what it has listed, whatever ends it."""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hwnas.predicting.encoded import ChoiceEncoding

Job = tuple[str, int]


def test_a_listing_that_was_cut_off_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    public = importlib.import_module("public_networks")
    table, kept = tmp_path / "table.csv", tmp_path / "listings.jsonl"
    table.write_text("model,infer_img_size,infer_step_time\nresnet18,64,1.0\nvgg11,64,2.0\ndla34,64,3.0\n")
    costs = {"Convolution": [1.0, 2.0, 3.0]}
    whole = json.dumps(["resnet18", 64, costs])
    kept.write_text(f"{whole}\n{json.dumps(['vgg11', 64, costs])[:20]}")
    asked: list[Job] = []

    def listed(_: Callable[[Job], object], jobs: Sequence[Job], chunksize: int) -> Iterator[tuple[Job, object]]:
        for job in jobs:
            asked.append(job)
            yield job, costs

    pool = SimpleNamespace(Pool=lambda *_, **__: nullcontext(SimpleNamespace(imap=listed)))
    monkeypatch.setattr(public, "get_context", lambda _: pool)
    assert public.network_table(table, kept).listings == [costs] * 3
    assert asked == [("vgg11", 64), ("dla34", 64)]
    # The next run finds all of them.
    assert public.network_table(table, kept).listings == [costs] * 3
    assert len(asked) == 2


def test_a_baseline_learns_from_the_rows_that_ours_does_and_is_told_by_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    public = importlib.import_module("predict_public")
    monkeypatch.setattr(public, "_SEEDS", 1)
    x = np.array(list(itertools.product(range(3), repeat=4)))
    latency = np.array([1.0, 2.0, 4.0])[x].sum(axis=1)
    told: list[list[float]] = []

    def scores(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
        told.append(true.tolist())
        return {"rho": 1.0}

    monkeypatch.setattr(public, "_scores", scores)
    found = public._transferred(ChoiceEncoding((3,) * 4), x, latency, 2 * latency, 10)
    assert len(found) == len(told) == 4
    assert len(told[0]) == len(x) - len(x) // 2
    assert all(rows == told[0] for rows in told)
