"""Figures saved in processes of their own are the same as those saved here."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hwnas.core.errors import UsageError
from hwnas.report.saving import SavingProcesses, saving, saving_processes
from hwnas.report.style import styled


def drawn() -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.add_axes((0.2, 0.2, 0.7, 0.7))
    axes.plot([1, 2, 4], [3, 1, 2])
    # Functions that format ticks are no names that another process could look up.
    axes.xaxis.set_major_formatter(lambda value, _: f"<{value:g}>")
    return figure


def test_processes_save_what_would_be_saved_here(tmp_path: Path) -> None:
    with closing(SavingProcesses()) as processes:
        for number, chosen in enumerate((None, processes)):
            with styled(), saving(chosen) as save:
                save(drawn(), tmp_path / str(number) / "figure")
            for suffix in ("png", "svg"):
                assert (tmp_path / str(number) / f"figure.{suffix}").exists()
        here, there = (
            [(tmp_path / folder / f"figure.{suffix}").read_bytes() for suffix in ("png", "svg")]
            for folder in "01"
        )
        assert here == there
        (tmp_path / "taken").write_text("a file where a folder should be")
        refused = pytest.raises(UsageError, match=r"cannot write figures to .*taken.*another folder")
        with refused, saving(processes) as save:
            save(drawn(), tmp_path / "taken" / "figure")
        # One that failed is no reason to fail again.
        with saving(processes) as save:
            save(drawn(), tmp_path / "2" / "figure")
        assert (tmp_path / "2" / "figure.svg").exists()


def test_figures_of_a_process_that_dies_are_saved_here(tmp_path: Path) -> None:
    with closing(SavingProcesses()) as processes:
        processes._pool.submit(os._exit, 1)
        with saving(processes) as save:
            for name in "abc":
                save(drawn(), tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.{s}" for n in "abc" for s in ("png", "svg")}


def test_one_cpu_needs_no_further_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwnas.report.saving.usable_threads", lambda: 1)
    assert saving_processes() is None
