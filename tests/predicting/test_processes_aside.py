"""Work that is shared with processes aside."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from hwnas.predicting.processes_aside import Aside


@pytest.fixture
def aside() -> Iterator[Aside[set[str], int]]:
    one: Aside[set[str], int] = Aside(1)
    yield one
    one.close()


def given(aside: Aside[set[str], int], name: str, work: Callable[..., int | None], *arguments: object) -> None:
    assert aside.submit({name}, work, *arguments)


def test_what_is_not_taken_back_is_done_elsewhere(aside: Aside[set[str], int]) -> None:
    given(aside, "a", os.getpid)
    given(aside, "b", math.factorial, 5)
    assert aside.has("b")
    taken = set().union(*aside.taken_back())
    found = {name: value for names, value in aside.results() for name in names}
    assert taken | found.keys() == {"a", "b"}
    assert not taken & found.keys()
    assert found.get("a", 0) not in (None, os.getpid())
    assert found.get("b", 120) == 120
    assert not aside.has("b")


def test_it_takes_no_more_than_it_will_do_soon(aside: Aside[set[str], int], tmp_path: Path) -> None:
    go = tmp_path / "go"
    assert aside.has_room
    given(aside, "a", subprocess.call, ["sh", "-c", f"until [ -e '{go}' ]; do sleep 0.01; done"])
    given(aside, "b", math.factorial, 4)
    try:
        assert not aside.has_room
    finally:
        go.touch()
    list(aside.results())
    assert aside.has_room


def test_what_is_done_is_fetched_without_waiting_for_the_rest() -> None:
    one: Aside[set[str], int] = Aside(0)
    under_way: Future[int | None] = Future()
    done: Future[int | None] = Future()
    done.set_result(120)
    one._asked += [({"a"}, under_way), ({"b"}, done)]
    assert list(one.finished()) == [({"b"}, 120)]
    assert one.has("a")
    assert not one.has("b")
    assert list(one.finished()) == []


def test_of_a_process_that_dies_nothing_comes(aside: Aside[set[str], int]) -> None:
    given(aside, "a", os._exit, 3)
    assert list(aside.results()) == [({"a"}, None)]
    # The next is not waited for in vain.
    given(aside, "b", math.factorial, 3)
    taken = [*aside.taken_back(), *(names for names, found in aside.results() if found is None)]
    assert taken == [{"b"}]


def test_without_processes_nothing_is_taken() -> None:
    none: Aside[set[str], int] = Aside(0)
    assert not none.has_room
    assert not none.submit({"a"}, math.factorial, 3)
    none.close()
