"""The documentation names what is there: options, names of Python, files, and its own sections."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from hwnas.backends.registry import BACKENDS
from hwnas.cli.main import COMMANDS, cli
from hwnas.core.workload import KINDS
from hwnas.jobs.defaults import trials_of
from hwnas.jobs.options import SearchOptions
from hwnas.measuring.settings import Settings
from hwnas.store.tables import metadata

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").exists(), reason="hwnas is installed without its documentation"
)

#: Pages of commands that are not called like them.
_PAGES = {"space": "spaces", "fit": "predict"}
#: Options of pip, pytest, ruff, valgrind, setarch and of an example.
_NOT_OURS = {
    *("--index-url", "--dist", "--check", "--tool", "--cache-sim", "--addr-no-randomize", "--processes"),
    "--help",
}
#: Entry-point groups: they look like modules.
_GROUPS = {f"hwnas.{name}" for name in ("accuracy", "backends", "datasets", "patterns", "samplers", "spaces")}
#: Files that a reader is to make, and part of a path in the user's folder.
_NOT_HERE = {"hwnas/backends/my_runtime.py", "hwnas/workloads/spaces/my_space.py", "hwnas/latency.sqlite"}


def _options(command: click.Command) -> Iterator[set[str]]:
    """The names of every option of a command and of those below it."""
    yield from ({*p.opts, *p.secondary_opts} for p in command.params if isinstance(p, click.Option))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _options(below)


def _named(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_on_the_page_of_its_command(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    told = _named((ROOT / "docs" / f"{_PAGES.get(name, name)}.md").read_text(encoding="utf-8"))
    options = list(_options(command))
    assert options
    assert [names for names in options if not names & told] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_that_a_page_names_is_there(page: Path) -> None:
    known = {name for names in _options(cli) for name in names} | _NOT_OURS
    if page.stem == "benchmarks":
        known |= set(re.findall(r'"(--[a-z-]+)"', "".join(p.read_text() for p in ROOT.glob("benchmarks/*.py"))))
    assert {name for name in _named(page.read_text(encoding="utf-8")) if name.startswith("--")} <= known


def _help_of_db(command: click.Command | None) -> str:
    assert command is not None
    (db,) = [p for p in command.params if p.name == "db"]
    assert isinstance(db, click.Option)
    return str(db.help)


def test_help_names_what_ships_where_it_can_be_read_and_nowhere_else() -> None:
    context = click.Context(cli)
    group = cli.get_command(context, "db")
    assert isinstance(group, click.Group)
    for name in ("report", "claims", "fit"):
        assert "shipped" in _help_of_db(cli.get_command(context, name)), name
    for name in ("info", "query", "export"):
        assert "shipped" in _help_of_db(group.get_command(context, name)), name
    for name in ("import", "merge"):
        assert "shipped" not in _help_of_db(group.get_command(context, name)), name
    for name in ("measure", "search"):
        assert "shipped" not in _help_of_db(cli.get_command(context, name)), name


def _exists(dotted: str) -> bool:
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            # Some load what they offer when it is first used, which may not be installed.
            if name in getattr(found, "__all__", ()):
                return True
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_name_of_python_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\bhwnas(?:\.[A-Za-z_]\w*)+", text)) - _GROUPS
    for module, names in re.findall(r"^from (hwnas[\w.]*) import ([\w, ]+)$", text, re.MULTILINE):
        named |= {f"{module}.{name.strip()}" for name in names.split(",")}
    assert [name for name in sorted(named) if not _exists(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_is_there(page: Path) -> None:
    folders = "benchmarks|docs|examples|experiments|hwnas|latency_db|search_spaces|tests"
    text = page.read_text(encoding="utf-8")
    named = {path.rstrip(".") for path in re.findall(rf"(?<![\w/.-])(?:{folders})/[\w./-]+", text)}
    assert [path for path in sorted(named - _NOT_HERE) if not (ROOT / path).exists()] == []


def _sections(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them of its headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_has_its_target(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        file, _, section = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not section or section in _sections(target), link


def test_every_section_of_the_benchmarks_names_its_command() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    sections = re.split(r"^### (.+)$", re.sub(r"^## .*$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    assert len(found) > 20
    command = re.compile(r"`(?:python (?:benchmarks|examples)/\w+\.py|hwnas (?:measure|search|fit)\b)")
    assert [heading for heading, body in found.items() if not command.search(body)] == []


def test_every_bar_says_whether_it_is_met() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    table = text.partition("| benchmark | bar | measured | met |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    assert len(rows) > 20
    assert [row for row in rows if len(row) != 4 or not re.search(r"\b(?:yes|no)\b", row[3])] == []


def _rows(page: str, head: str) -> list[list[str]]:
    """The cells of a table below its head, without backticks."""
    table = (ROOT / page).read_text(encoding="utf-8").partition(f"{head}\n")[2].partition("\n\n")[0]
    _, *lines = table.strip().splitlines()
    assert lines
    return [[c.strip().replace("`", "") for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_setting_of_the_protocol_stands_with_its_default() -> None:
    told = {name: float(default) for name, default, _ in _rows("docs/measure.md", "| key | default | |")}
    assert told == {field.name: field.default for field in fields(Settings)}


def test_every_backend_and_experiment_has_its_row() -> None:
    assert {row[0] for row in _rows("docs/measure.md", "| id | what |")} == set(BACKENDS._builtin)
    experiments = _rows("docs/measure.md", "| experiment | what | figure of the study |")
    assert {row[0] for row in experiments} == {path.stem for path in (ROOT / "experiments").glob("*.yaml")}


def test_every_search_space_and_kind_of_workload_has_its_row() -> None:
    spaces = [row[0] for row in _rows("search_spaces/README.md", "| file | the networks |")]
    assert {f"[{p.name}]({p.name})" for p in (ROOT / "search_spaces").glob("*.yaml")} == set(spaces)
    kinds = [row[0] for row in _rows("docs/workloads.md", "| kind | is | declared by |")]
    assert set(", ".join(kinds).split(", ")) == set(KINDS)


def test_every_table_of_the_database_has_its_row() -> None:
    assert {row[0] for row in _rows("docs/db.md", "| table | a row is |")} == set(metadata.tables)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("fit", "| option of `hwnas fit` | | default |"),
        ("predict", "| option of `hwnas predict MODEL` | | default |"),
    ],
)
def test_numbers_that_are_defaults_of_options_are_told(name: str, head: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    numbers = {option: p.default for p in command.params for option in p.opts if type(p.default) is int}
    told = {row[0].split()[0]: row[2] for row in _rows("docs/predict.md", head)}
    assert numbers
    assert {option: told[option] for option in numbers} == {o: str(number) for o, number in numbers.items()}


def test_defaults_of_a_search_are_those_of_its_options() -> None:
    told = {row[0].split()[0]: row[2] for row in _rows("docs/search.md", "| option | | default |")}
    names = ("space", "backend", "confidence", "threads", "batch", "seed")
    assert [told[f"--{name}"] for name in names] == [str(getattr(SearchOptions(), name)) for name in names]
    assert told["--trials"].split(";")[0] == str(trials_of(SearchOptions()))
