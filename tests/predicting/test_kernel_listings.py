"""What kernels take, from several listings of one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from hwnas.core.kernel import Kernel
from hwnas.predicting.kernel_listings import times_and_misses, times_in_place, with_known_misses


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


def test_pytorchs_operators_are_the_same_whatever_took_longest_inside_them() -> None:
    """That names the implementation of all but convolutions, and a busy host changes it."""

    def linear(time_s: float, inside: str) -> Sequence[Kernel]:
        return [Kernel(0, "aten::linear", "linear", inside, "f32", time_s=time_s)]

    found = times_in_place([linear(1e-3, "aten::addmm"), linear(2e-3, "aten::linear")])
    assert found == pytest.approx((1.5e-3,))

    def convolution(time_s: float, inside: str) -> Sequence[Kernel]:
        return [Kernel(0, "aten::conv2d", "conv2d", inside, "f32", time_s=time_s)]

    slow, onednn = convolution(1e-3, "aten::_slow_conv2d_forward"), convolution(2e-3, "onednn:brgconv:avx2")
    assert times_in_place([slow, onednn]) == (2e-3,)


def test_misses_that_the_newest_listing_did_not_model_are_those_of_the_others() -> None:
    def modelled(**misses: float) -> Sequence[Kernel]:
        return [replace(k, attributes={"stride": [1, 1], "llc_misses": misses}) for k in listing(1e-3)]

    before = modelled(host=1.0, paper=2.0)
    (found,) = with_known_misses([before, modelled(host=3.0)])
    assert found.attributes == {"stride": [1, 1], "llc_misses": {"host": 3.0, "paper": 2.0}}
    (found,) = with_known_misses([times_and_misses(before), listing(2e-3)])
    assert found.attributes == {"llc_misses": {"host": 1.0, "paper": 2.0}}
    assert found.time_s == 2e-3
    # Another implementation misses other lines.
    assert with_known_misses([before, listing(1e-3, implementation="gemm")])[0].attributes == {}
