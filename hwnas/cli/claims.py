"""`hwnas claims`: what the study says, and what the measurements here say of it."""

from __future__ import annotations

import json
from collections import Counter

import click
from rich.console import Console
from rich.text import Text

from hwnas.cli.options import environment_option, readable_db_option, refuse_empty
from hwnas.host.machine import probe_environment
from hwnas.report.cells import Cells
from hwnas.report.claims.bounds import ClaimVerdict
from hwnas.report.claims.catalogue import judge
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import READINGS, Claim, Finding
from hwnas.report.reading import read_passes
from hwnas.store import LatencyStore

_STYLES = {
    ClaimVerdict.HOLDS: "bold green",
    ClaimVerdict.DOES_NOT_HOLD: "bold red",
    ClaimVerdict.UNCLEAR: "yellow",
    ClaimVerdict.NOT_MEASURED: "dim",
}


@click.command()
@readable_db_option
@environment_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with one object a claim.")
def claims(db: str | None, environment: str | None, as_json: bool) -> None:
    """Test every claim of the study on what was measured.

    Each verdict follows the rule printed beside it: HOLDS, DOES NOT HOLD, UNCLEAR where the intervals do not
    decide, NOT MEASURED with what is missing.
    """
    refuse_empty()
    with LatencyStore.open(db, create=False) as store:
        fingerprint = (
            store.find_environment(environment)
            if environment
            else store.sole_environment(probe_environment().fingerprint)
        )
        cells = Cells(read_passes(store, fingerprint))
    found = judge(Evidence(cells.select))
    if as_json:
        click.echo(
            json.dumps([claim.record(finding) for claim, finding in found], indent=2, ensure_ascii=False)
        )
        return
    console = Console(highlight=False)
    for claim, finding in found:
        _print(claim, finding, console)
    for reading in READINGS:
        console.print(Text(reading, "dim"))
    console.print()
    counts = Counter(finding.verdict for _, finding in found)
    console.print(", ".join(f"{counts[v]} {v}" for v in ClaimVerdict if counts[v]))


def _print(claim: Claim, finding: Finding, console: Console) -> None:
    console.print(Text.assemble((str(finding.verdict), _STYLES[finding.verdict]), f"  {claim.statement}"))
    for heading, text in (
        ("paper", f"{claim.paper} ({claim.place})"),
        ("here", finding.here),
        ("rule", claim.rule),
        ("note", finding.note),
    ):
        if text:
            console.print(Text.assemble((f"    {heading:6}", "dim"), text))
    console.print()
