"""A folder appears complete or not at all, and takes nobody's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwnas.core.errors import UsageError
from hwnas.exporting.declaration import SCHEMA
from hwnas.exporting.place import Place


def fill(place: Place, text: str = "new") -> None:
    with place.filling() as folder:
        (folder / "network.py").write_text(text)
        record = {"schema": SCHEMA, "files": {"network.py": {}}}
        (folder / "architecture.json").write_text(json.dumps(record))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_and_its_parents_are_made(tmp_path: Path) -> None:
    out = tmp_path / "some" / "where"
    fill(Place(out))
    assert names(out) == {"network.py", "architecture.json"}
    assert names(out.parent) == {"where"}


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path / "out")

    def fail() -> None:
        with place.filling() as folder:
            (folder / "network.py").write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names(tmp_path) == set()


def test_an_earlier_export_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(Place(out), "old")
    (out / "__pycache__").mkdir()
    place = Place(out)
    assert (out / "network.py").read_text() == "old"
    fill(place, "new")
    assert (out / "network.py").read_text() == "new"
    assert names(tmp_path) == {"out"}
    assert place.moved is None


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(Place(tmp_path / "out"))
    assert names(tmp_path) == {"out"}


@pytest.mark.parametrize("with_export", [False, True])
def test_anything_else_stays_unless_it_is_forced(tmp_path: Path, with_export: bool) -> None:
    out = tmp_path / "out"
    if with_export:
        fill(Place(out), "old")
    out.mkdir(exist_ok=True)
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match=r"thesis\.tex" if with_export else "no export of hwnas") as caught:
        Place(out)
    assert "--force" in caught.value.hint
    for number, kept in enumerate(("out.old", "out.old.1"), 1):
        place = Place(out, force=True)
        fill(place)
        assert place.moved == tmp_path / kept
        assert (out / "network.py").read_text() == "new"
        assert len(names(tmp_path)) == number + 1
        (out / "more").touch()
    assert (tmp_path / "out.old" / "thesis.tex").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        Place(tmp_path / "out")
    with pytest.raises(UsageError, match="cannot make a folder"), Place(tmp_path / "out" / "inner").filling():
        pass


def test_what_came_meanwhile_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    place = Place(out)

    def overtaken() -> None:
        with place.filling():
            out.mkdir()
            (out / "thesis.tex").write_text("mine")

    with pytest.raises(UsageError, match="no export of hwnas"):
        overtaken()
    assert names(out) == {"thesis.tex"}
    assert names(tmp_path) == {"out"}


def test_what_killed_processes_left_goes(tmp_path: Path) -> None:
    dead, alive = (tmp_path / f".out.part-{pid}-0123abcd" for pid in (2**22 + 1, 1))
    dead.mkdir()
    alive.mkdir()
    fill(Place(tmp_path / "out"))
    assert names(tmp_path) == {"out", alive.name}


def test_a_path_that_cannot_be_looked_at_is_one_line(tmp_path: Path) -> None:
    """Here since it is too long; more often since somebody else's folder is on the way."""
    with pytest.raises(UsageError, match="Give another --out") as caught:
        fill(Place(tmp_path / ("x" * 300)))
    assert "\n" not in str(caught.value)
