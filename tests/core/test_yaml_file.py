"""YAML files of users: what is read, and where mistakes are said to stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, model_validator

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.yaml_file import YamlFile
from hwnas.core.yaml_form import Form, fault

TEXT = """\
# a list
title: mine
layers:
  - width: 8
  - width: &wide 16
    depth: 2
named:
  first: {width: *wide}
"""


class Layer(Form):
    width: int
    depth: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _even(self) -> Layer:
        if self.width % 2:
            raise fault(UsageError("odd", "Make it even"), "width")
        return self


class Network(Form):
    title: str = ""
    layers: list[Layer]
    named: dict[str, Layer] | None = None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


def _checked(path: Path, text: str) -> Network:
    path.write_text(text)
    return YamlFile.read(path, "Look at others").checked(Network)


def test_values_come_in_their_form(path: Path) -> None:
    found = _checked(path, TEXT)
    assert (found.title, [layer.width for layer in found.layers]) == ("mine", [8, 16])
    assert found.named == {"first": Layer(width=16)}


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("title: mine", "titel: mine"), 2, "unknown key 'titel'. Did you mean title?"),
        (("depth: 2", "dept: 2"), 6, "unknown key 'dept'. Did you mean depth?"),
        (("first: {", "first: {dept: 1, "), 8, "unknown key 'dept'. Did you mean depth?"),
        (("depth: 2", "depth: 0"), 6, "key layers.1.depth: .*found 0"),
        (("width: 8", "width: 7"), 4, "key layers.0.width: odd. Make it even"),
        (("layers:", "laers:"), 3, "unknown key 'laers'"),
        (("width: 8", "depth: 1"), 4, "key layers.0.width is missing"),
        (("title: mine", "title: 3"), 2, "key title: .*string .*found 3"),
        (("depth: 2", "depth: 2\n    depth: 3"), 7, "key depth stands there twice. Remove one"),
        (("title: mine", "- title"), 3, "not valid YAML"),
        (("title: mine", "title: !!python/name:os.getcwd"), 2, "not valid YAML"),
    ],
)
def test_mistakes_are_told_with_line_and_key(path: Path, change: tuple[str, str], line: int, said: str) -> None:
    with pytest.raises(UsageError, match=rf"mine\.yaml, line {line}: {said}"):
        _checked(path, TEXT.replace(*change))


def test_a_key_of_a_number_and_one_of_text_are_two(path: Path) -> None:
    path.write_text("1: a\n'1': b\n")
    assert YamlFile.read(path, "").values == {1: "a", "1": "b"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "- 1\n", "text"])
def test_what_is_no_mapping_is_told_where_to_look(path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml, line 1: not a mapping .*\. Look at others"):
        _checked(path, text)


def test_dates_that_are_none_and_files_that_cannot_be_read(path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml: .*looks like a date in quotes"):
        _checked(path, "title: 2024-99-99\n")
    path.write_bytes(b"title: \xff")
    with pytest.raises(UsageError, match=r"cannot read .*mine\.yaml"):
        YamlFile.read(path, "")
    with pytest.raises(UsageError, match=r"cannot read .*nowhere\.yaml"):
        YamlFile.read(path.with_name("nowhere.yaml"), "")


def test_other_errors_get_the_line_of_a_key(path: Path) -> None:
    path.write_text(TEXT)
    file = YamlFile.read(path, "")
    with (
        pytest.raises(UsageError, match=r"mine\.yaml, line 5: unknown layer 'x'\. Known: y"),
        file.at("layers", 1),
    ):
        raise UnknownName("layer", "x", ["y"])
    with pytest.raises(UsageError, match=r"mine\.yaml: too large"), file.at():
        raise UsageError("too large")
    # What is no error of hwnas is a fault of its own, and stays what it is.
    with pytest.raises(ZeroDivisionError), file.at("layers"):
        raise ZeroDivisionError
