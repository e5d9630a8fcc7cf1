"""What ships with hwnas: its claims are judged by the command, and its page has what the study asks for."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import json
import sys
from typing import Any

import pytest

from hwnas.cli.main import main
from hwnas.core.environment import Environment
from hwnas.core.resources import data_folder
from hwnas.report.cells import Cells, Selection
from hwnas.report.claims.catalogue import CLAIMS
from hwnas.report.claims.finding import ClaimVerdict
from hwnas.report.claims.network_claims import NETWORKS
from hwnas.report.darts_rows import with_darts
from hwnas.report.html.agreement_tables import agreement_tables
from hwnas.report.html.reproduction import commands
from hwnas.report.kernel_times import kernel_times
from hwnas.report.network_rows import network_rows, short_names
from hwnas.workloads.catalogue import find_network

# The package's name for the command hides the module.
cli_claims = importlib.import_module("hwnas.cli.claims")

#: A host with the whole study; others may have less.
STUDY = "intel-xeon-2-cpus-kvm"


def _fingerprint(host: str) -> str:
    """The environment of a host's first measurement."""
    (file, *_) = sorted((data_folder("latency_db") / host).glob("*.jsonl.gz"))
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return Environment.from_dict(json.loads(next(lines))["environment"]).fingerprint


@pytest.fixture(scope="module")
def judged() -> tuple[list[dict[str, Any]], Cells]:
    """What `hwnas claims --db shipped --json` prints, and the cells that it judges by."""
    made: list[Cells] = []
    printed = io.StringIO()
    arguments = ["hwnas", "claims", "--db", "shipped", "--json", "--environment", _fingerprint(STUDY)]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", arguments)
        patch.setattr(cli_claims, "Cells", lambda reading: made.append(Cells(reading)) or made[-1])
        with contextlib.suppress(SystemExit):
            main()
    return json.loads(printed.getvalue()), made[0]


@pytest.fixture(scope="module")
def shown(judged: tuple[list[dict[str, Any]], Cells]) -> Selection:
    return judged[1].select()


def test_every_claim_is_judged(judged: tuple[list[dict[str, Any]], Cells]) -> None:
    found = judged[0]
    assert [c["id"] for c in found] == [claim.id for claim in CLAIMS]
    assert {c["verdict"] for c in found} <= set(map(str, ClaimVerdict))
    without = [c["id"] for c in found if c["verdict"] == ClaimVerdict.NOT_MEASURED]
    # The host has no integrated GPU, but all that the other claims ask for.
    assert len(without) < len(found) / 8, without


def test_kernels_with_times_are_there_for_every_network_and_arm(shown: Selection) -> None:
    found = kernel_times(shown.cells)
    assert {k.cell.workload.key for k in found} >= {find_network(n).workload().key for n in NETWORKS}
    assert [(k.network, k.cell.backend, k.cell.no_kernel_times) for k in found if not k.times_s] == []
    assert all(k.residual is not None for k in found)


def test_all_twelve_networks_have_a_proof_within_its_tolerance(shown: Selection) -> None:
    (table,) = agreement_tables(shown.cells)
    lines = {line.name: line.errors for line in table.lines}
    names = short_names([c for c in shown.cells if c.workload.kind != "pattern"])
    for network in NETWORKS:
        errors = lines[names[find_network(network).workload().key]]
        assert all(e is not None and float(e) <= float(table.tolerance) for e in errors), network


def test_the_studys_darts_stand_in_every_figure_of_networks(
    judged: tuple[list[dict[str, Any]], Cells], shown: Selection
) -> None:
    found = with_darts(network_rows(shown.cells), shown.baseline, judged[1].select)
    assert sorted(found) == [1, 2]
    for rows in found.values():
        assert [r.name for r in rows if r.baseline] == ["darts (oneDNN forced)", "darts (paper era)"]


def test_the_page_says_how_to_draw_it_again_and_what_was_set_otherwise(shown: Selection) -> None:
    lines = commands(shown)
    assert lines[-1].startswith("hwnas report --db shipped --environment ")
    place = lines.index("hwnas measure networks --threads 2")
    assert "max_passes 3" in lines[place - 1]
