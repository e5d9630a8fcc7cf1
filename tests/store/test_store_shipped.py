"""The tables that come with hwnas are read like any other database, and never written."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwnas.core.errors import DatabaseError, UsageError
from hwnas.core.resources import data_folder
from hwnas.store import LatencyStore
from hwnas.store.exchange import export
from hwnas.testing.examples import example_environment, example_measurement


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shipped = tmp_path / "latency_db"
    (shipped / "some-host").mkdir(parents=True)
    monkeypatch.setattr("hwnas.store.shipped.data_folder", lambda name: tmp_path / name)
    return shipped / "some-host"


def test_every_hosts_measurements_are_there(folder: Path, tmp_path: Path) -> None:
    with LatencyStore.open(tmp_path / "a.sqlite") as store:
        store.add(example_measurement("u0"), example_environment())
        export(store, folder / "measurements.jsonl.gz")
    other = folder.parent / "other-host"
    other.mkdir()
    with LatencyStore.open(tmp_path / "b.sqlite") as store:
        store.add(example_measurement("u1"), example_environment("Other CPU"))
        export(store, other / "measurements.jsonl.gz")
    with LatencyStore.open("shipped", create=False) as store:
        assert sorted(s.measurement.uid for s in store.measurements()) == ["u0", "u1"]
        assert store.location == "shipped"
        assert len(store.environments()) == 2


def test_where_none_ships_it_says_so(folder: Path) -> None:
    with pytest.raises(DatabaseError, match="no measurements ship"):
        LatencyStore.open("shipped", create=False)


def test_they_cannot_be_written(folder: Path) -> None:
    with pytest.raises(UsageError, match="read only"):
        LatencyStore.open("shipped")


def test_the_environment_variable_names_them_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWNAS_DB", "shipped")
    with pytest.raises(DatabaseError, match="no measurements ship"):
        LatencyStore.open(create=False)


def test_what_really_ships_is_whole_and_small(tmp_path: Path) -> None:
    """Every host's folder has measurements with kernels and an environment, and the wheel stays small."""
    files = sorted(data_folder("latency_db").glob("*/*.jsonl.gz"))
    assert files
    assert sum(f.stat().st_size for f in data_folder("latency_db").rglob("*") if f.is_file()) < 10 * 10**6
    readme = (data_folder("latency_db") / "README.md").read_text()
    with LatencyStore.open("shipped", create=False) as store:
        assert len([e for e, n in store.environments() if n]) >= len(files)
        assert store.count(status="ok") > 200
        backends = store.values("backend")
        for environment, measured in store.environments():
            stored = store.measurements(environment=environment.fingerprint, status="ok", with_samples=False)
            assert not measured or any(s.measurement.kernels for s in stored), environment.cpu_model
    assert {"torch:cpu:fp32", "openvino:cpu:fp32"} <= set(backends)
    for file in files:
        assert f"`{file.parent.name}`" in readme, "the host has no line in the README's table"
