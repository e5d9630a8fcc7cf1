"""The proof of equal outputs: every network with its error, its tolerance, and what was not proved."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_lab import GPU, OPENVINO, TORCH, Lab, stack

from hwnas.core.measurement import Agreement, Status
from hwnas.core.workload import Workload
from hwnas.report.cells import Selection
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.network_claims import NETWORKS
from hwnas.report.context import statement
from hwnas.report.html.agreement_tables import agreement_remarks, agreement_tables
from hwnas.report.html.writing import write_report
from hwnas.report.records import records
from hwnas.workloads.catalogue import find_network

EXACT = "PyTorch in float64, first image of the batch"
WEAK = "equal outputs prove little: they hardly depend on the input"
#: As cells store it, each with its own number.
WEAK_HERE, WEAK_THERE = (f"{WEAK} (relative change {change})" for change in ("1.0e-03", "2.0e-03"))


def _add(lab: Lab, workload: Workload, agreements: dict[str, Agreement | None], threads: int = 1) -> None:
    found = lab.host.group(workload, dict.fromkeys(agreements, 0.01), threads=threads)
    lab.add(
        [replace(m, agreement=agreements[m.backend]) for m in found],
        lab.store.campaign("n", {}, lab.environment).uid,
    )


def _proof(error: float | None, tolerance: float = 1e-3, reason: str = "", passed: bool = True) -> Agreement:
    return Agreement(passed, error, tolerance, EXACT, reason)


@pytest.fixture
def networks(lab: Lab) -> Selection:
    """The networks of the study's figure 5 on three arms, the GPU in half precision."""
    for place, name in enumerate(NETWORKS, 1):
        proofs = {TORCH: _proof(1e-7 * place), OPENVINO: _proof(2e-6 * place), GPU: _proof(1e-3 * place, 5e-2)}
        _add(lab, find_network(name).workload(), proofs)
    return lab.select()


def test_each_network_stands_with_its_error_and_its_tolerance(networks: Selection, tmp_path: Path) -> None:
    exact, half = agreement_tables(networks.cells)
    assert (exact.tolerance, exact.reference, exact.backends) == ("0.001", EXACT, [TORCH, OPENVINO])
    assert (half.tolerance, half.backends) == ("0.05", [GPU])
    assert len(exact.lines) == len(half.lines) == len(NETWORKS)
    errors = {line.name: line.errors for line in exact.lines}
    assert errors["resnet34"] == ["2.0e-07", "4.0e-06"]
    last = find_network(NETWORKS[-1]).workload().name.rpartition(":")[2]
    assert (exact.largest, exact.where) == ("2.2e-05", f"{last} on {OPENVINO}")

    text = write_report(networks, Evidence(lambda baseline: networks), tmp_path)[-1].read_text()
    section = text.partition('<section id="agreement"')[2].partition("</section>")[0]
    for name in errors:
        cells = re.findall(rf'<th scope="row">{name}</th><td class="right">([\d.]+)</td>', section)
        assert cells == ["0.001", "0.05"], name
    assert section.count("2.2e-05") == 2  # the largest, in its row and in the sentence above


def test_of_threads_passes_and_sizes_the_worst_stands(lab: Lab) -> None:
    resnet = find_network("resnet18").workload()
    _add(lab, resnet, {TORCH: _proof(1e-6)})
    _add(lab, resnet, {TORCH: _proof(3e-6)}, threads=2)
    for depth, error in ((10, 5e-6), (20, 9e-6), (30, 7e-6)):
        _add(lab, stack(depth), {TORCH: _proof(error)})
    (table,) = agreement_tables(lab.select().cells)
    # Whole networks stand first.
    lines = [(line.name, line.networks, line.errors) for line in table.lines]
    assert lines == [("resnet18", "", ["3.0e-06"]), ("standard", "3 networks", ["9.0e-06"])]


def test_a_proof_that_proves_little_says_so_wherever_it_is_told(lab: Lab, tmp_path: Path) -> None:
    _add(
        lab,
        find_network("resnet18").workload(),
        {TORCH: _proof(0.0, reason=WEAK_HERE), OPENVINO: _proof(0.0, reason=WEAK_THERE)},
    )
    _add(lab, find_network("resnet34").workload(), {TORCH: _proof(1e-6)})
    selection = lab.select()
    assert agreement_remarks(selection.cells) == [("resnet18, 2 cells", WEAK)]
    (outputs,) = [text for heading, text in statement(selection) if heading == "Outputs"]
    assert f"in 2 cells {WEAK}" in outputs
    assert "largest relative error 1.0e-06 where 0.001 is allowed" in outputs
    assert [r["agreement_reason"] for r in records(selection)] == [WEAK_HERE, WEAK_THERE, ""]
    assert WEAK in write_report(selection, Evidence(lambda baseline: selection), tmp_path)[-1].read_text()


def test_what_was_not_compared_is_named_and_has_no_error(lab: Lab, tmp_path: Path) -> None:
    alone = "a model file runs on OpenVINO alone"
    _add(lab, find_network("resnet18").workload(), {OPENVINO: _proof(None, reason=alone), TORCH: None})
    lab.campaign({find_network("resnet34").workload(): {TORCH: (Status.FAILED, "outputs differ")}}, "n")
    selection = lab.select()
    assert agreement_tables(selection.cells) == []
    ((who, reason),) = agreement_remarks(selection.cells)
    assert who == "resnet18, 2 cells"
    assert reason == "no proof is stored (and 1 further reason: see the CSV file)"
    text = write_report(selection, Evidence(lambda baseline: selection), tmp_path)[-1].read_text()
    assert "no output was compared with a reference" in text


def test_an_error_beyond_the_tolerance_is_never_passed_over(lab: Lab) -> None:
    """A database of another version may hold one."""
    _add(lab, find_network("resnet18").workload(), {TORCH: _proof(2e-3, passed=False)})
    (table,) = agreement_tables(lab.select().cells)
    assert table.lines[0].errors == ["2.0e-03, not accepted"]
