"""Everything that `hwnas report` leaves in its folder: figures with their numbers, and the page."""

from __future__ import annotations

from pathlib import Path

from hwnas.report.cells import Selection
from hwnas.report.claims.catalogue import judge
from hwnas.report.claims.evidence import Evidence
from hwnas.report.correlations import correlations
from hwnas.report.figures import draw_figures, written_files
from hwnas.report.html.page import PageContent, write_page
from hwnas.report.records import write_csv
from hwnas.report.saving import SavingProcesses, saving
from hwnas.report.style import ANOTHER_FOLDER

PAGE = "index.html"


def write_report(
    selection: Selection,
    evidence: Evidence,
    folder: Path,
    processes: SavingProcesses | None = None,
) -> list[Path]:
    """Draw the figures and write the page around them.

    Args:
        selection: What to show.
        evidence: The same measurements: what the study's claims are judged by.
        folder: Where the files go; made where it does not exist.
        processes: That save the figures; None to save them here.

    Returns:
        The files written, the page last.

    Raises:
        UsageError: A file cannot be written.
    """
    with saving(processes) as save:
        figures = draw_figures(selection, folder, save, evidence.selection)
        rows = correlations(selection.cells)
        findings = judge(evidence)
    files = {}
    if rows:
        files["correlations"] = write_csv(
            folder / "correlations.csv", [row.record() for row in rows], ANOTHER_FOLDER
        )
    page = write_page(PageContent(selection, figures, rows, findings, files), folder / PAGE)
    return [*written_files(figures), *files.values(), page]
