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


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_module_of_acme:Backend", "No module named 'no_such_module_of_acme'"),
        ("json:NoSuchThing", "no attribute 'NoSuchThing'"),
        ("nothing", "No module named 'nothing'"),
        ("unfinished:Thing", "SyntaxError|was never closed"),
    ],
)
def test_an_entry_that_does_not_import_is_one_line(registry, target, words, tmp_path, monkeypatch):
    (tmp_path / "unfinished.py").write_text("print(\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    registry.add("acme:z", target)
    with pytest.raises(
        UsageError, match=rf"thing 'acme:z' cannot be loaded from {target}: .*({words})"
    ) as caught:
        registry.load("acme")
    assert "\n" not in str(caught.value)
