from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from report_lab import OPENVINO, TORCH

from hwnas.core.errors import UsageError
from hwnas.core.measurement import Status
from hwnas.report.cells import Selection
from hwnas.report.records import records, write_csv


def test_records_hold_the_cells_in_si_units(study: Selection) -> None:
    found = records(study)
    assert len(found) == len(study.cells)
    for cell, record in zip(study.cells, found, strict=True):
        assert (record["status"], record["reason"]) == (str(cell.status), cell.reason)
        assert (record["backend"], record["batch"]) == (cell.backend, cell.workload.batch)
        if cell.estimate is None:
            assert record["latency_s"] is record["speedup"] is record["macs_per_s"] is None
            continue
        assert record["latency_low_s"] <= record["latency_s"] <= record["latency_high_s"]
        assert record["per_image_s"] * record["batch"] == pytest.approx(record["latency_s"])
        assert record["macs_per_s"] == pytest.approx(record["macs"] / record["latency_s"])


def test_records_are_json(study: Selection) -> None:
    first = json.loads(json.dumps(records(study), allow_nan=False))[1]
    assert first["backend"] == OPENVINO
    assert first["baseline"] == TORCH
    assert first["verdict"] == "FASTER"
    assert first["input_shape"] == [1, 64, 56, 56]
    assert first["environment"] == study.environment.fingerprint


def test_csv_has_the_same_numbers(study: Selection, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new" / "cells.csv", records(study))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(study.cells)
    for cell, row in zip(study.cells, rows, strict=True):
        # An empty field is what was not measured; a zero would be a latency.
        assert row["latency_s"] == (repr(cell.estimate.latency_s) if cell.estimate else "")
        assert row["speedup"] == (repr(cell.comparison.speedup) if cell.comparison else "")
        assert row["input_shape"] == "x".join(map(str, cell.workload.input_shape))
    refused = next(row for row in rows if row["status"] == Status.REFUSED)
    assert refused["reason"] == "would need 9 GiB of memory"
    assert "depth=10" in rows[0]["params"]


def test_unwritable_place(study: Selection, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write"):
        write_csv(tmp_path / "file" / "cells.csv", records(study))


def test_the_page_on_reports_names_every_field(study: Selection) -> None:
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    _, *rows = page.partition("| fields | |\n")[2].strip().splitlines()
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(told) == sorted(records(study)[0])
