"""Claims of the study, tested on hosts of which it is known whether they hold."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from claim_worlds import RIGHT, WRONG
from report_lab import OPENVINO, TORCH, Lab, stack

from hwnas.cli.main import main
from hwnas.core.workload import Workload
from hwnas.report.cells import select_cells
from hwnas.report.claims.catalogue import CLAIMS, judge
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import ClaimVerdict, Finding, above, all_hold, below, near
from hwnas.report.claims.studied import STUDIED_PATTERNS
from hwnas.report.claims.values import Value, combine, exponent, geometric_mean, ratio
from hwnas.workloads.patterns import pattern_workload

#: MACs follow from the patterns, and with the right latencies they predict these over width whatever the host.
_OF_NO_HOST = {"macs-predict-over-width-only"}


def _judged(lab: Lab) -> dict[str, Finding]:
    def select(baseline: str):
        return select_cells(lab.store, lab.environment.fingerprint, baseline=baseline)

    return {claim.id: finding for claim, finding in judge(Evidence(select))}


def test_everything_holds_on_the_studys_own_host(lab: Lab) -> None:
    RIGHT.fill(lab)
    found = _judged(lab)
    assert {name: f.here for name, f in found.items() if f.verdict is not ClaimVerdict.HOLDS} == {}
    assert found["darts-500-onednn"].value.value == pytest.approx(5.0, rel=0.03)
    assert found["depthwise-bottleneck-tenfold"].value.value == pytest.approx(10.0)
    assert "4194304" in found["fewer-misses"].note


def test_nothing_holds_on_its_opposite(lab: Lab) -> None:
    WRONG.fill(lab)
    found = _judged(lab)
    holding = {n for n, f in found.items() if f.verdict is not ClaimVerdict.DOES_NOT_HOLD} - _OF_NO_HOST
    assert holding == set()


def test_what_is_missing_is_named_and_never_guessed(lab: Lab) -> None:
    lab.campaign({stack(): {TORCH: 0.008, OPENVINO: 0.002}})
    found = _judged(lab)
    assert {f.verdict for f in found.values()} == {ClaimVerdict.NOT_MEASURED}
    assert all(f.value is None and f.note for f in found.values())
    assert "hwnas measure networks" in found["mobilenet-fastest"].note
    assert "hwnas measure depth" in found["average-speedup"].note


def test_a_cache_that_holds_everything_tells_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claim_worlds.PAPER_CACHE", "65536,16,64")
    RIGHT.fill(lab)
    monkeypatch.setattr("hwnas.report.claims.cache_claims.PAPER_CACHE", "33554432,16,64")
    monkeypatch.setattr("hwnas.report.claims.evidence.PAPER_CACHE", "33554432,16,64")
    found = _judged(lab)["fewer-misses"]
    assert found.verdict is ClaimVerdict.NOT_MEASURED
    assert "--cache paper" in found.note


def test_variants_of_a_pattern_and_further_sizes_take_no_part(lab: Lab) -> None:
    """A 7 x 7 kernel, a batch of 2 and a depth of 5 are somebody's own measurements, not the study's."""
    RIGHT.fill(lab)
    before = {name: f.here for name, f in _judged(lab).items()}
    own = [
        pattern_workload("depthwise_separable", depth=10, width=64, resolution=56, kernel=7),
        pattern_workload("standard", depth=10, width=64, resolution=56, batch=2),
        pattern_workload("standard", depth=5, width=64, resolution=56),
    ]
    lab.campaign({w: {TORCH: 0.5, OPENVINO: 0.4} for w in own}, "own")
    assert {name: f.here for name, f in _judged(lab).items()} == before


def test_other_inputs_and_libraries_of_a_network_take_no_part(lab: Lab) -> None:
    RIGHT.fill(lab)
    before = {name: f.here for name, f in _judged(lab).items()}
    own = [
        Workload("torchvision", "mobilenet_v2", (1, 3, 320, 320)),
        Workload("timm", "resnet50", (1, 3, 224, 224)),
    ]
    lab.campaign({w: {TORCH: 0.5, OPENVINO: 0.4} for w in own}, "own")
    lab.campaign({Workload("file", "mine.onnx", (1, 3, 8, 8)): {TORCH: 0.5, OPENVINO: 0.4}}, "file", threads=2)
    assert {name: f.here for name, f in _judged(lab).items()} == before


def test_arms_that_were_never_side_by_side_have_no_speedup_to_judge(lab: Lab) -> None:
    for name, arm in (("native", TORCH), ("accelerated", OPENVINO)):
        cells = {
            pattern_workload(p, depth=10, width=width, resolution=28): {arm: 0.01}
            for p in STUDIED_PATTERNS
            for width in (32, 64, 128)
        }
        lab.campaign(cells, name)
    found = _judged(lab)
    assert found["universal-speedup-over-width"].verdict is ClaimVerdict.NOT_MEASURED
    assert "side by side" in found["standard-not-improved-when-wide"].note
    assert found["narrow-alike"].verdict is ClaimVerdict.HOLDS


def test_networks_that_miss_nothing_are_left_out_and_counted(lab: Lab) -> None:
    silent = replace(RIGHT, misses_over_width=0.0)
    silent.fill(lab)
    found = _judged(lab)
    # Natively none, so that only depth has misses on both arms.
    assert found["fewer-misses-less-over-width"].verdict is ClaimVerdict.NOT_MEASURED
    assert found["fewer-misses"].verdict is ClaimVerdict.HOLDS


def test_claims_have_names_rules_and_places_of_their_own() -> None:
    assert len({c.id for c in CLAIMS}) == len(CLAIMS) >= 15
    assert all(c.statement and c.place and c.paper and c.rule for c in CLAIMS)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (3.1, 4.7, "HOLDS"),
        (2.9, 4.0, "UNCLEAR"),
        (4.0, 5.0, "UNCLEAR"),
        (1.0, 3.0, "DOES NOT HOLD"),
        (5.0, 9.0, "DOES NOT HOLD"),
    ],
)
def test_near_is_within_a_quarter_interval_and_all(low: float, high: float, expected: str) -> None:
    assert near(Value((low + high) / 2, low, high), 3.8) == expected


def test_bounds() -> None:
    value = Value(2.0, 1.5, 2.5)
    assert [above(value, b) for b in (1.0, 2.0, 3.0)] == ["HOLDS", "UNCLEAR", "DOES NOT HOLD"]
    assert [below(value, b) for b in (1.0, 2.0, 3.0)] == ["DOES NOT HOLD", "UNCLEAR", "HOLDS"]
    verdicts = [ClaimVerdict.HOLDS, ClaimVerdict.UNCLEAR]
    assert all_hold(verdicts) == "UNCLEAR"
    assert all_hold([*verdicts, ClaimVerdict.DOES_NOT_HOLD]) == "DOES NOT HOLD"


def test_values_carry_their_intervals() -> None:
    wide, exact = Value(2.0, 1.0, 4.0), Value.exact(8.0)
    found = ratio(exact, wide)
    assert (found.value, found.low, found.high) == pytest.approx((4.0, 2.0, 8.0), rel=0.05)
    mean = geometric_mean([wide, wide, wide, wide])
    assert mean.value == pytest.approx(2.0)
    # Four independent values: half the logarithmic interval of one.
    assert mean.high == pytest.approx(2.0 * 2.0**0.5, rel=0.05)
    slope = exponent([1, 2, 4], [Value.exact(3.0 * n**1.5) for n in (1, 2, 4)])
    assert (slope.value, slope.low, slope.high) == pytest.approx((1.5, 1.5, 1.5))
    largest = combine([Value.exact(1.0), Value.exact(3.0)], lambda logs: logs.max(axis=-1))
    assert largest.text("x") == "3x"
    assert Value(3.804, 3.7, 3.9).text("x") == "3.8x [3.7, 3.9]"


def test_the_command_tells_every_claim(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    RIGHT.fill(lab)
    path = lab.store.location
    monkeypatch.setattr(sys, "argv", ["hwnas", "claims", "--db", path, "--json"])
    main()
    records = json.loads(capsys.readouterr().out)
    assert [r["id"] for r in records] == [c.id for c in CLAIMS]
    assert all({"id", "paper", "here", "interval", "verdict"} <= set(r) for r in records)
    average = next(r for r in records if r["id"] == "average-speedup")
    low, high = average["interval"]
    assert low < average["value"] < high
    monkeypatch.setattr(sys, "argv", ["hwnas", "claims", "--db", path])
    main()
    text = capsys.readouterr().out
    assert text.count("rule") >= len(CLAIMS)
    assert text.rstrip().endswith(f"{len(CLAIMS)} HOLDS")
