"""Names, short names and third parties' entries."""

import sys

import pytest

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.registry import Registry


@pytest.fixture
def registry():
    return Registry(
        "thing", "hwnas.test_things", {"a:x": "json:loads", "a:y": "json:dumps", "b:x": "math:sqrt"}
    )


def test_full_and_short_names(registry):
    assert registry.load("b:x")(4) == 2
    assert registry.resolve("b") == "b:x"


def test_ambiguous_and_unknown(registry):
    with pytest.raises(UsageError, match="a:x, a:y"):
        registry.resolve("a")
    with pytest.raises(UnknownName, match=r"unknown thing 'c:x'.*Did you mean"):
        registry.resolve("c:x")


def test_added_at_run_time(registry):
    registry.add("c:x", "math:floor")
    assert registry.load("c")(1.5) == 1
    assert registry.names()[-1] == "c:x"


def test_entry_points_of_installed_packages(registry, tmp_path, monkeypatch):
    folder = tmp_path / "things-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: things\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[hwnas.test_things]\nplugin:z = math:ceil\na:x = math:ceil\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert registry.load("plugin")(1.2) == 2
    # A plugin cannot replace what is built in.
    assert registry.target("a:x") == "json:loads"
