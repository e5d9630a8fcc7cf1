"""Claims of the study, tested on hosts of which it is known whether they hold."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from claim_cases import findings
from claim_worlds import EITHER, RIGHT, WRONG
from report_lab import OPENVINO, TORCH, Lab, stack

from hwnas.cli.main import main
from hwnas.core.workload import Workload
from hwnas.report.cells import select_cells
from hwnas.report.claims.bounds import ClaimVerdict
from hwnas.report.claims.catalogue import CLAIMS, judge
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import READINGS, Finding
from hwnas.report.claims.studied import STUDIED_PATTERNS
from hwnas.workloads.patterns import pattern_workload


def _judged(lab: Lab) -> dict[str, Finding]:
    def select(baseline: str):
        return select_cells(lab.store, lab.environment.fingerprint, baseline=baseline)

    return {claim.id: finding for claim, finding in judge(Evidence(select))}


def test_everything_holds_on_the_studys_own_host() -> None:
    found = findings(RIGHT.cases)
    failing = {name: f.here for name, f in found.items() if f.verdict is not ClaimVerdict.HOLDS}
    # The paper says of two patterns that they gain the most.
    assert set(failing) == {"depthwise-separable-most"}
    assert found["depthwise-separable-most"].verdict is ClaimVerdict.DOES_NOT_HOLD
    assert found["depthwise-bottleneck-tenfold"].value.value == pytest.approx(10.0)
    assert "4194304" in found["fewer-misses"].note


def test_the_other_of_two_contradicting_claims_can_hold_as_well() -> None:
    swapped = dict(RIGHT.speedup, depthwise_separable=5.5, depthwise_bottleneck=5.0)
    found = findings(replace(RIGHT, speedup=swapped).cases)
    assert {name: found[name].verdict for name in EITHER} == {
        "depthwise-separable-most": ClaimVerdict.HOLDS,
        "depthwise-bottleneck-most": ClaimVerdict.DOES_NOT_HOLD,
    }


def test_nothing_holds_on_its_opposite() -> None:
    found = findings(WRONG.cases)
    assert {n: f.here for n, f in found.items() if f.verdict is not ClaimVerdict.DOES_NOT_HOLD} == {}


@pytest.mark.parametrize("world", [RIGHT, WRONG])
def test_every_judged_claim_has_its_value_and_unless_counted_its_interval(world) -> None:
    claims = {c.id: c for c in CLAIMS}
    counted = set()
    for name, finding in findings(world.cases).items():
        record = claims[name].record(finding)
        assert record["value"] is not None, name
        assert record["unit"] in ("1", "s")
        assert record["parts"], name
        number = record["value"], record["interval"]
        assert number in [(part["value"], part["interval"]) for part in record["parts"]]
        if record["interval"] is None:
            counted.add(name)
        else:
            low, high = record["interval"]
            assert low <= record["value"] <= high
    # Counts of misses and of multiply-adds; where a measured number decides, it stands there instead.
    assert counted <= {
        "fewer-misses",
        "depthwise-bottleneck-tenfold",
        "standard-less",
        "depthwise-separable-similar",
        "fewer-misses-over-width",
        "fewer-misses-less-over-width",
        "gpu-misses-more-yet-faster",
        "depthwise-separable-slow",
    }


def test_what_is_missing_is_named_and_never_guessed(lab: Lab) -> None:
    lab.campaign({stack(): {TORCH: 0.008, OPENVINO: 0.002}})
    found = _judged(lab)
    assert {f.verdict for f in found.values()} == {ClaimVerdict.NOT_MEASURED}
    assert all(f.value is None and not f.parts and f.note for f in found.values())
    assert "hwnas measure networks" in found["mobilenet-fastest"].note
    assert "hwnas measure depth" in found["average-speedup"].note
    assert "openvino:cpu:fp16" in found["sixteen-bit-no-gain"].note


def test_other_inputs_and_libraries_of_a_network_take_no_part(lab: Lab) -> None:
    networks = {case.workload: case.times for case in RIGHT.real()}
    lab.campaign(networks, "networks")
    before = {name: f.here for name, f in _judged(lab).items()}
    assert before["mobilenet-fastest"]
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


def test_claims_have_names_rules_and_places_of_their_own() -> None:
    assert len({c.id for c in CLAIMS}) == len(CLAIMS) >= 40
    assert all(c.statement and c.place and c.paper and c.rule for c in CLAIMS)


def _claims(lab: Lab, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["hwnas", "claims", "--db", lab.store.location, *options])
    main()


def test_the_command_judges_what_a_database_holds(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.set_reference()
    record = lab.store.campaign("study", {}, lab.environment)
    for case in RIGHT.cases:
        case.fill(lab, record.uid)
    _claims(lab, monkeypatch, "--json")
    records = json.loads(capsys.readouterr().out)
    assert [r["id"] for r in records] == [c.id for c in CLAIMS]
    page = (Path(__file__).parents[2] / "docs" / "claims.md").read_text(encoding="utf-8")
    told = page.partition("prints an array of objects with ")[2].partition(". ")[0]
    assert all(sorted(r) == sorted(re.findall(r"`(\w+)`", told)) for r in records)
    assert {r["id"] for r in records if r["verdict"] != "HOLDS"} == {"depthwise-separable-most"}
    average = next(r for r in records if r["id"] == "average-speedup")
    low, high = average["interval"]
    assert low < average["value"] < high


def test_an_environment_with_an_empty_text_is_no_default(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.campaign({stack(): {TORCH: 0.008, OPENVINO: 0.002}})
    with pytest.raises(SystemExit) as end:
        _claims(lab, monkeypatch, "--environment", "")
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("hwnas: --environment is empty")


def test_the_command_tells_every_claim_and_how_it_is_read(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.campaign({stack(): {TORCH: 0.008, OPENVINO: 0.002}})
    _claims(lab, monkeypatch)
    text = capsys.readouterr().out
    assert text.count("rule") >= len(CLAIMS)
    for reading in READINGS:
        assert " ".join(reading.split()) in " ".join(text.split())
    assert text.rstrip().endswith(f"{len(CLAIMS)} NOT MEASURED")
