"""Parts that are listed by two processes take as long as in one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from hwnas.core.errors import CellError
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
