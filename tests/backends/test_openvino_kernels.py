"""Times of OpenVINO's kernels, from a profiler that tells means since the network was compiled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import pytest

from hwnas.backends import openvino_kernels
from hwnas.backends.openvino_kernels import times_in_place


class Told(NamedTuple):
    """What is told of one kernel."""

    node_name: str
    real_time: timedelta


class Profiler:
    """Counts whole microseconds of each inference, and tells their mean, rounded down, as OpenVINO does.

    Args:
        kernels: Name -> microseconds of the inference of a number, from 1.
    """

    def __init__(self, **kernels: Callable[[int], float]) -> None:
        self._kernels = kernels
        self._sums = dict.fromkeys(kernels, 0)
        self.inferences = 0

    def run(self) -> None:
        """One inference."""
        self.inferences += 1
        for name, duration_us in self._kernels.items():
            self._sums[name] += int(duration_us(self.inferences))

    @property
    def profiling_info(self) -> list[Told]:
        """All kernels."""
        return [Told(n, timedelta(microseconds=total // self.inferences)) for n, total in self._sums.items()]


@pytest.fixture(params=[1, 16])
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Inferences of a part: of a network that takes long, and of a short one."""
    monkeypatch.setattr(openvino_kernels, "_MOST", request.param)
    found: int = request.param
    return found


def test_the_first_inferences_do_not_count(most: int) -> None:
    profiler = Profiler(
        long=lambda number: 9000.0 if number == 1 else 1000.4,
        short=lambda number: 300.0 if number == 1 else 4.4,
    )
    found = times_in_place(profiler, profiler.run)
    assert profiler.inferences == 2 + 3 * most
    assert found["long"] == pytest.approx(1000.4e-6, abs=1e-6)
    assert found["short"] == pytest.approx(4.4e-6, abs=1e-6)


def test_a_kernel_of_less_than_a_microsecond_has_no_time(most: int) -> None:
    """Nor has one that took longer in the first inference alone: it is still told, as their mean."""
    profiler = Profiler(never=lambda number: 0.7, once=lambda number: 400.0 if number == 1 else 0.7)
    assert times_in_place(profiler, profiler.run) == {}
    assert profiler.profiling_info[1].real_time > timedelta(0)


@pytest.mark.parametrize("interrupted", [3, 4, 5])
def test_an_inference_that_was_interrupted_does_not_count(
    interrupted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_kernels, "_MOST", 1)
    profiler = Profiler(
        long=lambda number: 21000.0 if number == interrupted else 1000.0,
        short=lambda number: 5.0,
    )
    found = times_in_place(profiler, profiler.run)
    assert found["long"] == pytest.approx(1000e-6, rel=0.01)
    assert found["short"] == pytest.approx(5e-6, abs=1e-6)
