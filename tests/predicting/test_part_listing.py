"""Parts that are listed by two processes take as long as in one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import pytest

from hwnas.core.errors import CellError, OutOfMemory, UsageError
from hwnas.measuring import input_memory
from hwnas.predicting import part_listing
from hwnas.predicting.part_listing import PartListing
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.workloads.spaces.space import PartModule, Space


def parts_of(space: Space) -> list[PartModule]:
    found = (space.part_module(part, o) for part in space.parts() for o in space.combinations(part))
    return [part for part in found if part is not None]


def seconds(predictor: LatencyPredictor, space: Space, processes: int) -> list[float]:
    with PartListing(predictor, 1, processes=processes) as listing:
        keys = [listing.ask(part) for part in parts_of(space)]
        return [listing.seconds(key) for key in keys]


def test_two_processes_find_what_one_finds(
    chain_predictor: LatencyPredictor, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = seconds(chain_predictor, space, 1)
    monkeypatch.setattr(part_listing, "_AT_ONCE", 2)
    handed = []
    submit = part_listing.Aside.submit

    def counted(aside: part_listing.Aside, *arguments: object) -> bool:  # type: ignore[type-arg]
        done = submit(aside, *arguments)  # type: ignore[arg-type]
        handed.append(done)
        return done

    monkeypatch.setattr(part_listing.Aside, "submit", counted)
    assert seconds(chain_predictor, space, 2) == pytest.approx(alone, rel=1e-9)
    assert any(handed)


def test_modules_go_when_another_process_has_listed_them(
    chain_predictor: LatencyPredictor, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def done_at_once(
        aside: part_listing.Aside,  # type: ignore[type-arg]
        asked: dict[str, PartModule],
        work: Callable[..., object],
        *arguments: object,
    ) -> bool:
        future: Future[object] = Future()
        future.set_result(work(*arguments))
        aside._asked.append((asked, future))
        return True

    monkeypatch.setattr(part_listing, "_AT_ONCE", 1)
    monkeypatch.setattr(part_listing.Aside, "submit", done_at_once)
    first, second, *_ = parts_of(space)
    with PartListing(chain_predictor, 1, processes=2) as listing:
        key = listing.ask(first)
        assert listing._aside.has(key)
        listing.ask(second)
        assert not listing._aside.has(key)
        assert listing.seconds(key) > 0


def test_a_part_that_cannot_be_listed_elsewhere_says_why_here(
    chain_predictor: LatencyPredictor, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, *others = parts_of(space)
    channels, height, width = part.input_shapes[0]
    wrong = PartModule(part.module, ((channels + 1, height, width),))
    monkeypatch.setattr(part_listing, "_AT_ONCE", 1)
    with PartListing(chain_predictor, 1, processes=2) as listing:
        known, bad = listing.ask(others[0]), listing.ask(wrong)
        with pytest.raises(CellError):
            listing.seconds(bad)
        assert listing.seconds(known) > 0


def test_parts_whose_inputs_do_not_fit_together_are_listed_in_turn(
    chain_predictor: LatencyPredictor, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[int] = []
    many_kernels = part_listing.many_kernels

    def counted(runtime: object, programs: Sequence[object], *others: object) -> object:
        listed.append(len(programs))
        return many_kernels(runtime, programs, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(part_listing, "many_kernels", counted)
    together = seconds(chain_predictor, space, 1)
    assert len(listed) == 1
    largest = max(4 * sum(map(math.prod, part.input_shapes)) for part in parts_of(space))
    monkeypatch.setattr(input_memory, "available_memory_bytes", lambda: 2 * largest)
    assert seconds(chain_predictor, space, 1) == pytest.approx(together, rel=1e-9)
    assert len(listed) > 2
    assert sum(listed[1:]) == listed[0]


def test_a_batch_that_does_not_fit_into_memory_is_refused(
    chain_predictor: LatencyPredictor, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_memory, "available_memory_bytes", lambda: 1000)
    part = parts_of(space)[0]
    for batch, error, said in ((4, OutOfMemory, "would need"), (10**15, UsageError, "too many values")):
        with PartListing(chain_predictor, batch) as listing:
            key = listing.ask(part)
            with pytest.raises(error, match=said):
                listing.seconds(key)
