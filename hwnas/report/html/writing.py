"""Everything that `hwnas report` leaves in its folder: figures with their numbers, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwnas.report.cells import Selection
from hwnas.report.claims.finding import Claim, Finding
from hwnas.report.correlations import correlations
from hwnas.report.figures import draw_figures, written_files
from hwnas.report.html.page import PageContent, write_page
from hwnas.report.records import write_csv
from hwnas.report.style import ANOTHER_FOLDER

PAGE = "index.html"


def write_report(selection: Selection, findings: Sequence[tuple[Claim, Finding]], folder: Path) -> list[Path]:
    """Draw the figures and write the page around them.

    Args:
        selection: What to show.
        findings: The study's claims, judged by the same measurements.
        folder: Where the files go; made where it does not exist.

    Returns:
        The files written, the page last.

    Raises:
        UsageError: A file cannot be written.
    """
    figures = draw_figures(selection, folder)
    rows = correlations(selection.cells)
    files = {}
    if rows:
        files["correlations"] = write_csv(
            folder / "correlations.csv", [row.record() for row in rows], ANOTHER_FOLDER
        )
    page = write_page(PageContent(selection, figures, rows, findings, files), folder / PAGE)
    return [*written_files(figures), *files.values(), page]
