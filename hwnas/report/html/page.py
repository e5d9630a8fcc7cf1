"""One self-contained page of everything that was measured: figures inside, nothing fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.report.cells import Selection
from hwnas.report.claims.bounds import ClaimVerdict
from hwnas.report.claims.finding import READINGS, Claim, Finding
from hwnas.report.context import omissions, statement
from hwnas.report.correlations import CorrelationRow
from hwnas.report.figures import DrawnFigure, FigureKind
from hwnas.report.html import colours, correlation_tables
from hwnas.report.html.agreement_tables import agreement_remarks, agreement_tables
from hwnas.report.html.cell_sections import cell_sections
from hwnas.report.html.figure_slots import of_kind, slots
from hwnas.report.html.headline import arms, measured_share
from hwnas.report.html.kernel_rows import kernel_rows, untimed
from hwnas.report.html.reproduction import commands, database, own_campaigns
from hwnas.report.html.setup import differences, in_short
from hwnas.report.html.templating import template_environment
from hwnas.report.kernel_times import kernel_times
from hwnas.report.style import ANOTHER_FOLDER

#: What is said of several claims.
_SEVERAL = {
    ClaimVerdict.HOLDS: "hold",
    ClaimVerdict.DOES_NOT_HOLD: "do not hold",
    ClaimVerdict.UNCLEAR: "unclear",
    ClaimVerdict.NOT_MEASURED: "not measured",
}


@dataclass(frozen=True)
class PageContent:
    """What a page shows.

    Args:
        selection: The cells.
        figures: Drawn from them, into the folder of the page.
        correlations: Of them.
        findings: The study's claims, judged by them.
        files: Further files in that folder that the page links to, by what they are: ``correlations``.
    """

    selection: Selection
    figures: Sequence[DrawnFigure]
    correlations: Sequence[CorrelationRow]
    findings: Sequence[tuple[Claim, Finding]]
    files: dict[str, Path]


def write_page(content: PageContent, path: Path) -> Path:
    """Write the page; the same content gives the same bytes.

    Raises:
        UsageError: It cannot be written.
    """
    text = template_environment().get_template("page.html").render(_context(content))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", ANOTHER_FOLDER) from error
    return path


def _context(content: PageContent) -> dict[str, Any]:
    selection, figures = content.selection, content.figures
    missing = omissions(selection.cells)
    times = kernel_times(selection.cells)
    verdicts = Counter(finding.verdict for _, finding in content.findings)
    return {
        "cpu": selection.environment.cpu_model,
        "baseline": selection.baseline,
        "facts": [line for line in statement(selection) if line[0] in ("Host", "Versions", "Campaigns")],
        "share": measured_share(selection),
        "arms": arms(selection),
        "speedup_figures": of_kind(figures, FigureKind.SPEEDUP),
        "findings": content.findings,
        "readings": READINGS,
        "verdicts": [(v, f"{verdicts[v]} {_SEVERAL[v]}") for v in ClaimVerdict if verdicts[v]],
        "in_short": in_short(selection),
        "differences": differences(selection),
        "slots": slots(figures),
        "overview": correlation_tables.overview(content.correlations),
        "correlation_blocks": correlation_tables.blocks(content.correlations),
        "kernel_figures": of_kind(figures, FigureKind.KERNEL_TIMES),
        "kernel_rows": kernel_rows(times),
        "untimed": untimed(times),
        "sections": cell_sections(selection),
        "agreement_tables": agreement_tables(selection.cells),
        "agreement_remarks": agreement_remarks(selection.cells),
        "miss_figures": of_kind(figures, FigureKind.MISSES),
        "fusion_figures": of_kind(figures, FigureKind.FUSION),
        "miss_lines": [(h, t) for h, t in statement(selection) if h in ("LLC misses", "Not counted")],
        "statement": statement(selection),
        "omissions": [(number, omission) for number, omission in enumerate(missing, 1)],
        "commands": commands(selection),
        "own_campaigns": own_campaigns(selection),
        "database": database(selection),
        "files": {what: file.name for what, file in content.files.items()},
        "light": colours.variables(dark=False),
        "dark": colours.variables(dark=True),
    }
