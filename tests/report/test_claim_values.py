"""Numbers with intervals, where they must lie, and what is made of several."""

from __future__ import annotations

import math

import numpy as np
import pytest
from report_lab import OPENVINO, TORCH, Lab, stack
from scipy.stats import spearmanr

from hwnas.measuring.statistics import PROCESS_SPREAD
from hwnas.report.claims.bounds import ClaimVerdict, above, below, near
from hwnas.report.claims.combining import (
    combine,
    exponent,
    exponent_difference,
    geometric_mean,
    mean_ratio,
    pearson_of_rows,
    ratio,
    spread,
)
from hwnas.report.claims.finding import Finding, Part, Unit, judged, together
from hwnas.report.claims.mac_claims import _ranks
from hwnas.report.claims.values import Process, Value, latency, speedup

HOLDS, UNCLEAR, NOT = ClaimVerdict.HOLDS, ClaimVerdict.UNCLEAR, ClaimVerdict.DOES_NOT_HOLD


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(3.1, 4.7, HOLDS), (2.9, 4.0, UNCLEAR), (4.0, 5.0, UNCLEAR), (1.0, 3.0, NOT), (5.0, 9.0, NOT)],
)
def test_near_is_within_a_quarter_interval_and_all(low: float, high: float, expected: str) -> None:
    assert near(3.8).judge(Value((low + high) / 2, low, high)) == expected


def test_bounds() -> None:
    value = Value(2.0, 1.5, 2.5)
    assert [above(b).judge(value) for b in (1.0, 2.0, 3.0)] == [HOLDS, UNCLEAR, NOT]
    assert [below(b).judge(value) for b in (1.0, 2.0, 3.0)] == [NOT, UNCLEAR, HOLDS]
    # What was counted is never unclear: as many is not more.
    assert [above(b).judge(Value.exact(2.0)) for b in (1.0, 2.0)] == [HOLDS, NOT]


def _parts(*values: tuple[float, float]) -> list[Part]:
    return [Part(str(i), Value((a + b) / 2, a, b), above(1.0), Unit.TIMES) for i, (a, b) in enumerate(values)]


def test_of_all_the_worst_decides_and_of_some_the_last_that_is_needed() -> None:
    parts = _parts((3.0, 4.0), (0.9, 1.1), (1.4, 1.6), (2.0, 2.1))
    everywhere = judged(parts, "note")
    assert (everywhere.verdict, everywhere.decided_by.name) == (UNCLEAR, "1")
    most = judged(parts, "note", least=3)
    assert (most.verdict, most.decided_by.name) == (HOLDS, "2")
    refuted = judged([*parts, *_parts((0.5, 0.8))], "note", least=3)
    assert (refuted.verdict, refuted.decided_by.name) == (HOLDS, "2")
    assert judged([*parts, *_parts((0.5, 0.8))], "note").verdict is NOT


def test_many_numbers_are_told_by_those_that_say_otherwise() -> None:
    many = _parts(*[(2.0, 3.0)] * 9)
    assert judged(many, "").here == "so in all 9; closest: 8 2.5x [2, 3]"
    assert judged([*many, *_parts((0.5, 0.7))], "").here == "against: 0 0.6x [0.5, 0.7]"


def test_of_findings_the_worst_decides_and_the_last_of_equal_ones() -> None:
    good, better, open_ = (judged(_parts(p), "a", here=str(p)) for p in ((2.0, 3.0), (4.0, 5.0), (0.5, 3.0)))
    found = together(good, better)
    assert (found.verdict, found.value, len(found.parts)) == (HOLDS, better.value, 2)
    assert found.note == "a"
    assert together(open_, better).value == open_.value
    assert Finding(ClaimVerdict.NOT_MEASURED).value is None


def test_values_carry_their_intervals() -> None:
    wide, exact = Value(2.0, 1.0, 4.0), Value.exact(8.0)
    found = ratio(exact, wide)
    assert (found.value, found.low, found.high) == pytest.approx((4.0, 2.0, 8.0), rel=0.05)
    mean = geometric_mean([wide, wide, wide, wide])
    assert mean.value == pytest.approx(2.0)
    # Four independent values: half the logarithmic interval of one.
    assert mean.high == pytest.approx(2.0 * 2.0**0.5, rel=0.05)
    assert geometric_mean([wide]) == wide
    slope = exponent([1, 2, 4], [Value.exact(3.0 * n**1.5) for n in (1, 2, 4)])
    assert (slope.value, slope.low, slope.high) == pytest.approx((1.5, 1.5, 1.5))
    flat = [Value.exact(3.0 * n) for n in (1, 2, 4)]
    steep = [Value.exact(5.0 * n**1.5) for n in (1, 2, 4)]
    assert exponent_difference([1, 2, 4], steep, flat).value == pytest.approx(0.5)
    largest = combine([Value.exact(1.0), Value.exact(3.0)], lambda logs: logs.max(axis=-1))
    assert largest.text("x") == "3x"
    assert largest.counted
    assert mean_ratio([Value.exact(2.0), Value.exact(8.0)], [Value.exact(2.0)]).value == pytest.approx(2.0)
    assert spread([[Value.exact(2.0), Value.exact(8.0)], [Value.exact(1.0)] * 2]).value == pytest.approx(4.0)
    assert Value(3.804, 3.7, 3.9).text("x") == "3.8x [3.7, 3.9]"


def test_correlations_of_what_does_not_vary_are_none() -> None:
    x = np.array([1.0, 2.0, 3.0])
    rows = np.array([[2.0, 4.0, 6.0], [3.0, 2.0, 1.0], [5.0, 5.0, 5.0]])
    assert pearson_of_rows(x, rows) == pytest.approx([1.0, -1.0, 0.0])


def _half_width(value: Value) -> float:
    return math.log(value.high / value.low) / 2


def _measured(cells: int, *processes: Process, half_width: float = 0.05) -> list[Value]:
    ends = math.exp(-half_width), 1.0, math.exp(half_width)
    low, value, high = ends
    shares = tuple((p, 1 / len(processes)) for p in processes)
    return [Value(value, low, high, processes=shares) for _ in range(cells)]


def test_a_mean_is_no_better_known_than_the_processes_that_served_its_cells() -> None:
    one, other = (Process(TORCH, 1, "study", n) for n in (0, 1))
    alone = geometric_mean(_measured(100))
    assert _half_width(alone) == pytest.approx(0.05 / 10, rel=0.1)
    of_one_pass = geometric_mean(_measured(100, one))
    assert _half_width(of_one_pass) == pytest.approx(1.96 * PROCESS_SPREAD, rel=0.1)
    of_two = geometric_mean(_measured(100, one, other))
    assert _half_width(of_two) == pytest.approx(1.96 * PROCESS_SPREAD / math.sqrt(2), rel=0.1)
    # Half of the cells from a process each: no different from two passes of all.
    apart = geometric_mean([*_measured(50, one), *_measured(50, other)])
    assert _half_width(apart) == pytest.approx(_half_width(of_two), rel=0.1)


def test_what_processes_share_makes_no_interval_wider_than_its_own_and_none_narrower() -> None:
    process = Process(TORCH, 1, "study", 0)
    narrow = _measured(2, process, half_width=0.002)
    assert _half_width(geometric_mean(narrow)) == pytest.approx(0.002, rel=0.1)
    within, apart = (ratio(*values) for values in (_measured(2, process), _measured(2)))
    assert _half_width(within) == pytest.approx(_half_width(apart), rel=0.02)


def test_cells_name_the_processes_of_their_passes(lab: Lab) -> None:
    uid = lab.campaign({stack(): {TORCH: 0.008, OPENVINO: 0.002}}, passes=2)
    cell = next(c for c in lab.select().cells if c.backend == OPENVINO)
    own = [Process(OPENVINO, 1, uid, n) for n in (0, 1)]
    assert latency(cell).processes == ((own[0], 0.5), (own[1], 0.5))
    base = [Process(TORCH, 1, uid, n) for n in (0, 1)]
    assert dict(speedup(cell).processes) == {base[0]: 0.5, base[1]: 0.5, own[0]: -0.5, own[1]: -0.5}


def test_equal_numbers_share_their_rank() -> None:
    macs, times = np.array([5.0, 1.0, 5.0, 2.0, 7.0, 3.0]), np.array([3.0, 1.0, 9.0, 2.0, 4.0, 8.0])
    expected = spearmanr(macs, times).statistic
    assert pearson_of_rows(_ranks(macs), _ranks(times[None])) == pytest.approx([expected])
