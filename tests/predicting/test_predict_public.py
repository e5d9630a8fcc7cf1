"""The benchmark on public tables keeps what it has listed, whatever ends it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

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
