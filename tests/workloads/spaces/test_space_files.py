"""Files of spaces: what they may say, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.resources import data_folder
from hwnas.workloads.spaces.darts_space import DartsSpace
from hwnas.workloads.spaces.mbconv_space import MBConvSpace
from hwnas.workloads.spaces.pattern_space import PatternSpace
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import KINDS, load_space

PATTERNS = """\
kind: patterns
title: mine
input: 1x28x28
classes: 4
patterns: [standard, grouped]
options:
  grouped:
    groups: 4
stages:
  - width: [12, 16]
    depth: [0, 1]
  - width: 20
    depth: 1
    kernel: [3, 5]
    patterns: [bottleneck]
"""
MBCONV = """\
kind: mbconv
input: 3x32x32
classes: 10
stem: 8
stages:
  - width: 8
    depth: [1, 2]
    expansion: [1, 2]
    se: [false, true]
"""
DARTS = """\
kind: darts
input: 3x32x32
classes: 10
channels: 4
cells: 3
operators:
  - skip_connect
  - max_pool_3x3
"""
NASBENCH = "kind: nasbench201\ninput: 3x32x32\nclasses: 10\nchannels: 4\ncells: 1\n"


def _load(folder: Path, text: str) -> Space:
    path = folder / "mine.yaml"
    path.write_text(text)
    return load_space(str(path))


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    space = _load(tmp_path, PATTERNS)
    assert isinstance(space, PatternSpace)
    assert (space.name, space.title) == (str(tmp_path / "mine.yaml"), "mine")
    assert (space.input_shape, space.classes) == ((1, 28, 28), 4)
    assert {c.name: c.options for c in space.choices} == {
        "stage1.pattern": ("standard", "grouped"),
        "stage1.width": (12, 16),
        "stage1.depth": (0, 1),
        "stage1.kernel": (3,),
        "stage2.pattern": ("bottleneck",),
        "stage2.width": (20,),
        "stage2.depth": (1,),
        "stage2.kernel": (3, 5),
    }
    # An empty first stage is one of two widths.
    assert space.count() == (2 * 2 + 2) * 2
    assert space.sides(1) == (14, 14)


def test_scalars_and_defaults_of_the_other_kinds(tmp_path: Path) -> None:
    mbconv, darts = _load(tmp_path, MBCONV), _load(tmp_path, DARTS)
    assert isinstance(mbconv, MBConvSpace)
    assert mbconv.count() == 2 * 2 * 2
    assert isinstance(darts, DartsSpace)
    assert darts.operators == ("skip_connect", "max_pool_3x3")
    assert _load(tmp_path, NASBENCH).count() == 15_625


def test_a_shipped_file_has_one_name_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = data_folder("search_spaces") / "patterns.yaml"
    assert {load_space(text).name for text in ("patterns", "patterns.yaml", str(path))} == {"patterns"}


@pytest.mark.parametrize(
    ("text", "change", "line", "words"),
    [
        (PATTERNS, ("kind: patterns", "kind: patern"), 1, ["kind of space 'patern'", "patterns"]),
        (PATTERNS, ("kind: patterns", "kind: 3"), 1, ["key kind", "3", "mbconv"]),
        (PATTERNS, ("kind: patterns\n", ""), 1, ["key kind is missing", "mbconv"]),
        (PATTERNS, ("classes: 4\n", ""), 1, ["key classes is missing"]),
        (PATTERNS, ("classes: 4", "classes: 1"), 4, ["key classes", "1"]),
        (PATTERNS, ("classes: 4", "classes: four"), 4, ["key classes", "'four'", "integer"]),
        (PATTERNS, ("classes: 4", "clases: 4\nclasses: 4"), 4, ["unknown key 'clases'", "classes"]),
        (PATTERNS, ("classes: 4", "classes: 4\nclasses: 5"), 5, ["classes", "twice"]),
        (PATTERNS, ("classes: 4", "1: 4\nclasses: 4"), 4, ["key 1"]),
        (PATTERNS, ("input: 1x28x28", "input: 28x28"), 3, ["key input", "'28x28'", "3x32x32"]),
        (PATTERNS, ("input: 1x28x28", "input: 1x1x28"), 3, ["key input", "1x28", "stage 2"]),
        (PATTERNS, ("input: 1x28x28", "input: 1x28x999999"), 3, ["key input"]),
        (PATTERNS, ("title: mine", "title: 2024-99-99"), None, ["date", "quotes"]),
        (PATTERNS, ("title: mine", "title: 7"), 2, ["key title", "string"]),
        (PATTERNS, ("[standard, grouped]", "[standrd]"), 5, ["key patterns.0", "standrd", "mean standard"]),
        (PATTERNS, ("[standard, grouped]", "standard"), 5, ["key patterns", "list of names"]),
        (PATTERNS, ("[standard, grouped]", "[grouped, grouped]"), 5, ["key patterns", "twice"]),
        (PATTERNS, ("[bottleneck]", "[botleneck]"), 15, ["key stages.1.patterns.0", "bottleneck"]),
        (PATTERNS, ("  grouped:", "  gruoped:"), 7, ["gruoped", "grouped"]),
        (PATTERNS, ("groups: 4", "group: 4"), 8, ["group", "groups"]),
        (PATTERNS, ("groups: 4", "groups: 0"), 8, ["key options.grouped.groups", "0"]),
        (PATTERNS, ("groups: 4", "groups: 8"), 10, ["key stages.0.width", "grouped", "12", "groups 8"]),
        (PATTERNS, ("width: 20", "widht: 20"), 12, ["unknown key 'widht'", "width"]),
        (PATTERNS, ("width: 20", "width: wide"), 12, ["key stages.1.width", "'wide'", "an integer from 1"]),
        (PATTERNS, ("width: 20", "width: [20, 20]"), 12, ["key stages.1.width", "twice"]),
        (PATTERNS, ("width: 20", "width: true"), 12, ["key stages.1.width"]),
        (PATTERNS, ("depth: 1\n", "depth: 65\n"), 13, ["key stages.1.depth", "from 0 to 64"]),
        (PATTERNS, ("  - width: 20\n", "  - classes: 3\n"), 12, ["unknown key 'classes'"]),
        (PATTERNS, ("[3, 5]", "[3, 4]"), 14, ["key stages.1.kernel", "odd"]),
        (PATTERNS, ("[0, 1]", "{0: 1}"), 11, ["key stages.0.depth"]),
        (PATTERNS, ("patterns: [st", "stem_stride: 3\npatterns: [st"), 5, ["key stem_stride", "1 or 2"]),
        (MBCONV, ("depth: [1, 2]", "depth: [0, 1]"), 7, ["key stages.0.depth", "from 1 to 64"]),
        (MBCONV, ("[false, true]", "[0, 1]"), 9, ["key stages.0.se", "true, false"]),
        (MBCONV, ("expansion", "expnsion"), 8, ["expnsion"]),
        (DARTS, ("- max_pool_3x3", "- max_pool_5x5"), 8, ["key operators.1", "max_pool_5x5", "max_pool_3x3"]),
        (DARTS, ("channels: 4", "channels: 5"), 4, ["key channels", "multiple of 2"]),
        (DARTS, ("cells: 3", "cells: 2"), 5, ["key cells", "3"]),
        (DARTS, ("3x32x32", "3x30x32"), 2, ["key input", "multiples of 4"]),
        (NASBENCH, ("3x32x32", "3x32x33"), 2, ["key input", "multiples of 4"]),
        (NASBENCH, ("cells: 1", "cells: [1, 2]"), 5, ["key cells"]),
        (NASBENCH, ("cells: 1", "cells: 1\noperators: [non]"), 6, ["key operators.0", "non", "none"]),
        (NASBENCH, ("kind", "- kind"), None, ["not valid YAML"]),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_line_and_key(
    tmp_path: Path, text: str, change: tuple[str, str], line: int | None, words: list[str]
) -> None:
    assert change[0] in text
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, text.replace(*change, 1))
    told = str(caught.value)
    assert "\n" not in told
    assert "mine.yaml" in told
    if line is not None:
        assert f"mine.yaml, line {line}: " in told
    assert not [word for word in words if word not in told], told


def test_too_many_combinations_for_a_part(tmp_path: Path) -> None:
    widths = ", ".join(str(8 * n) for n in range(1, 40))
    many = PATTERNS.replace("[12, 16]", f"[{widths}]").replace("width: 20", f"width: [{widths}]")
    told = r"mine\.yaml, line 9: the part stage2_entry has 6084 .*5000"
    with pytest.raises(UsageError, match=told) as caught:
        _load(tmp_path, many.replace("patterns: [bottleneck]", "patterns: [bottleneck, standard]"))
    assert "stage1.width" in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "patterns"])
def test_a_file_without_keys(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"mine\.yaml, line 1: not a mapping"):
        _load(tmp_path, text)


def test_a_file_that_repeats_itself_by_anchors(tmp_path: Path) -> None:
    text = PATTERNS.replace("width: [12, 16]", "width: &wide [12, 16]").replace("width: 20", "width: *wide")
    assert _load(tmp_path, text).choice("stage2.width").options == (12, 16)
    with pytest.raises(UsageError, match=r"mine\.yaml, line \d+: "):
        _load(tmp_path, PATTERNS.replace("[12, 16]", "&wide [12, *wide]"))


def test_names_of_spaces_list_close_ones_and_files_may_be_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown search space 'paterns'.*Did you mean patterns"):
        load_space("paterns")
    (tmp_path / "mine.yaml").write_bytes(b"kind: \xff\xfe")
    with pytest.raises(UsageError, match=r"cannot read .*mine\.yaml"):
        load_space(str(tmp_path / "mine.yaml"))


def test_a_kind_of_an_installed_package_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        KINDS, "_builtin", {"odd": "hwnas.core.units:parse_bytes", "broken": "no_such_module_of_acme:Form"}
    )
    with pytest.raises(UsageError, match=r"mine\.yaml, line 1: .*'odd' is not a .*SpaceForm"):
        _load(tmp_path, "kind: odd\n")
    with pytest.raises(UsageError, match=r"mine\.yaml, line 1: .*no_such_module_of_acme"):
        _load(tmp_path, "kind: broken\n")
