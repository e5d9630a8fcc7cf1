"""What kernels take, from several listings of one network."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hwnas.core.kernel import Kernel
from hwnas.predicting.kernel_listings import times_in_place


def listing(*times_s: float | None, implementation: str = "brgconv") -> Sequence[Kernel]:
    return [Kernel(p, f"node{p}", "Conv", implementation, "f32", time_s=t) for p, t in enumerate(times_s)]


def test_a_single_listing_is_taken_as_it_is() -> None:
    assert times_in_place([listing(1e-3, None, 2e-3)]) == (1e-3, None, 2e-3)


def test_a_listing_at_another_speed_tells_shares_and_one_that_was_disturbed_nothing() -> None:
    found = times_in_place([listing(1e-3, 3e-3), listing(2e-3, 6e-3), listing(5e-3, 1e-3)])
    # Sums of 4, 8 and 6 ms; shares of 1/4, 1/4 and 5/6.
    assert found == pytest.approx((1.5e-3, 4.5e-3))


def test_a_kernel_that_one_listing_did_not_see_has_the_time_of_the_others() -> None:
    found = times_in_place([listing(1e-3, 1e-3, None), listing(2e-3, None, None)])
    assert found[:2] == pytest.approx((0.75 * 2e-3, 0.5 * 2e-3))
    assert found[2] is None


def test_a_network_that_runs_otherwise_than_before_is_taken_as_it_runs_now() -> None:
    before = listing(1e-3, 3e-3, implementation="gemm")
    assert times_in_place([before, listing(2e-3, 2e-3)]) == (2e-3, 2e-3)
    assert times_in_place([before, listing(2e-3)]) == (2e-3,)


def test_listings_without_times_tell_none() -> None:
    assert times_in_place([listing(None, None), listing(None, None)]) == (None, None)
