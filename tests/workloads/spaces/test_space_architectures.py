"""Architectures of every space: their texts, their canonical form, and how many there are."""

from __future__ import annotations

import itertools
import json
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.resources import data_folder
from hwnas.workloads.spaces.choice import Choice
from hwnas.workloads.spaces.darts_space import DartsSpace
from hwnas.workloads.spaces.mbconv_space import MBConvSpace, MBConvStage
from hwnas.workloads.spaces.nasbench201_space import NasBench201Space
from hwnas.workloads.spaces.pattern_space import PatternSpace, PatternStage
from hwnas.workloads.spaces.space import MOST_COMBINATIONS, Space
from hwnas.workloads.spaces.space_file import load_space

NAMES = sorted(path.stem for path in data_folder("search_spaces").glob("*.yaml"))
SHIPPED = {name: load_space(name) for name in NAMES}

#: With stages that may be empty, kernels that may not matter, and groups that make no difference.
SMALL_PATTERNS = PatternSpace(
    "small",
    "",
    (3, 8, 8),
    2,
    stages=(
        PatternStage(("grouped", "standard", "depthwise_bottleneck"), (8, 16), (1, 0), (3, 1)),
        PatternStage(("bottleneck", "depthwise_bottleneck"), (8,), (0, 1), (3,)),
    ),
    pattern_options=(("grouped", (("groups", 1),)),),
)
SMALL_MBCONV = MBConvSpace(
    "small", "", (3, 8, 8), 2, stages=(MBConvStage(1, (8, 16), (1, 2), (3,), (1, 2), (False, True)),), stem=8
)
SMALL_NASBENCH = NasBench201Space("small", "", (3, 8, 8), 2, 4, 1, ("none", "skip_connect"))


def architectures(space: Space) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries({c.name: st.sampled_from(c.options) for c in space.choices})


def every_architecture(space: Space) -> list[dict]:
    names = [choice.name for choice in space.choices]
    return [dict(zip(names, o, strict=True)) for o in itertools.product(*(c.options for c in space.choices))]


ANY = st.sampled_from([*SHIPPED.values(), SMALL_PATTERNS, SMALL_MBCONV]).flatmap(
    lambda space: st.tuples(st.just(space), architectures(space))
)


def test_all_four_are_there() -> None:
    assert NAMES == ["darts", "mbconv", "nasbench201", "patterns"]
    # Further ones may be of these kinds as well.
    assert {space.kind for space in SHIPPED.values()} == {"darts", "mbconv", "nasbench201", "patterns"}
    assert all(space.title and space.input_shape == (3, 32, 32) for space in SHIPPED.values())


@given(ANY)
def test_texts_are_read_as_they_were_written(case: tuple[Space, dict]) -> None:
    space, architecture = case
    text = space.compact(architecture)
    assert space.parse(text) == architecture
    assert "\n" not in text
    assert " " not in text
    again = json.loads(json.dumps(architecture))
    space.validate(again)
    assert space.compact(again) == text


@given(ANY)
def test_the_canonical_form_is_its_own(case: tuple[Space, dict]) -> None:
    space, architecture = case
    canonical = space.canonical(architecture)
    space.validate(canonical)
    assert list(canonical) == [choice.name for choice in space.choices]
    assert space.canonical(canonical) == canonical


@pytest.mark.parametrize("space", [SMALL_PATTERNS, SMALL_MBCONV, SMALL_NASBENCH], ids=lambda s: s.kind)
def test_the_count_is_that_of_canonical_forms(space: Space) -> None:
    different = {space.compact(space.canonical(a)) for a in every_architecture(space)}
    assert space.count() == len(different)


@pytest.mark.parametrize("space", [SMALL_PATTERNS, SMALL_MBCONV], ids=lambda s: s.kind)
def test_equal_networks_have_one_canonical_form_and_different_ones_two(space: Space) -> None:
    networks: dict[str, set[str]] = {}
    forms = set()
    for architecture in every_architecture(space):
        with torch.device("meta"):
            printed = repr(space.network(architecture))
        canonical = space.compact(space.canonical(architecture))
        networks.setdefault(printed, set()).add(canonical)
        forms.add(canonical)
    assert all(len(found) == 1 for found in networks.values())
    assert len(networks) == len(forms)
    assert len(forms) > 10


def test_a_stage_without_blocks_is_known_by_its_channels() -> None:
    empty = {"stage1.pattern": "standard", "stage1.width": 16, "stage1.depth": 0, "stage1.kernel": 1}
    rest = {"stage2.pattern": "bottleneck", "stage2.width": 8, "stage2.depth": 1, "stage2.kernel": 3}
    canonical = SMALL_PATTERNS.canonical({**empty, **rest})
    assert SMALL_PATTERNS.compact(canonical) == "grouped,16,0,3+bottleneck,8,1,3"


def test_published_counts() -> None:
    assert SHIPPED["nasbench201"].count() == 15_625
    # Liu et al. 2019, section 3.1: about 10^18 with two cells, isomorphic ones not told apart.
    assert SHIPPED["darts"].count() == (1 * 3 * 6 * 10 * 7**8) ** 2
    assert SHIPPED["patterns"].count() == (6 * 3 * 4 * 2) ** 3
    assert SHIPPED["mbconv"].count() == 32 * 108 * 144 * 108


def test_all_texts_of_nasbench201() -> None:
    space = SHIPPED["nasbench201"]
    texts = {space.compact(architecture) for architecture in every_architecture(space)}
    assert len(texts) == 15_625
    assert "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|" in texts
    assert all(space.compact(space.parse(text)) == text for text in texts)


@pytest.mark.parametrize("name", NAMES)
def test_parts_have_few_combinations_and_cover_all_choices(name: str) -> None:
    space = SHIPPED[name]
    parts = space.parts()
    assert len({part.name for part in parts}) == len(parts)
    reached = {choice for part in parts for choice in part.choices}
    # Where edges lead is a matter of wiring in cells that keep the resolution.
    wired = {c.name for c in space.choices if c.name.startswith("normal.") and c.name.endswith(".inputs")}
    assert reached == {choice.name for choice in space.choices} - wired
    for part in parts:
        assert space.combination_count(part) <= MOST_COMBINATIONS
    few = min(parts, key=lambda part: (space.combination_count(part) == 1, space.combination_count(part)))
    assert len(list(space.combinations(few))) == space.combination_count(few)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage1.pattern": "standrd"}, ["stage1.pattern", "standrd", "standard"]),
        ({"stage1.width": 17}, ["stage1.width", "17"]),
        ({"stage1.width": "16"}, ["stage1.width", "16"]),
        ({"stage1.depth": True}, ["stage1.depth", "True"]),
        ({"stage1.widht": 16}, ["stage1.widht", "stage1.width"]),
    ],
)
def test_what_is_no_architecture_is_refused(change: dict, words: list[str]) -> None:
    space = SHIPPED["patterns"]
    with pytest.raises(UnknownName) as caught:
        space.validate({**space.sample(random.Random(0)), **change})
    assert all(word in str(caught.value) for word in words)


def test_a_missing_choice_is_named() -> None:
    space = SHIPPED["patterns"]
    incomplete = space.sample(random.Random(0))
    del incomplete["stage2.kernel"]
    with pytest.raises(UsageError, match=r"stage2\.kernel"):
        space.validate(incomplete)
    with pytest.raises(UsageError, match=r"stage2_block1 needs an option of stage2\.kernel"):
        space.part_module(next(p for p in space.parts() if p.name == "stage2_block1"), incomplete)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("patterns", "standard,16", ["12 options", "standard,16,1,3+standard"]),
        ("patterns", "standard,16,1,3+standard,32,1,4+standard,64,1,3", ["stage2.kernel", "'4'"]),
        ("mbconv", "", ["20 options"]),
        ("nasbench201", "|nor_conv_3x3~0|", ["cannot read", "avg_pool_3x3~0"]),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|none~1|", ["cannot read"]),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+|none~0|", ["cannot read"]),
        ("nasbench201", "|none~0|+|none~0|noen~1|+|none~0|none~1|none~2|", ["noen", "none"]),
    ],
)
def test_other_texts_are_refused(name: str, text: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        SHIPPED[name].parse(text)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("options", [(), (1, "1"), (True, "true"), ("a,b",), ("a b",), ("",)])
def test_choices_whose_options_cannot_be_told_apart_or_written(options: tuple) -> None:
    with pytest.raises(UsageError, match="odd choice"):
        Choice("odd choice", options)


def test_the_digest_follows_the_definition_and_not_the_title() -> None:
    def darts(title: str, channels: int) -> DartsSpace:
        return DartsSpace(title, title, (3, 32, 32), 10, channels, 8)

    assert darts("a", 16).digest == darts("b", 16).digest != darts("a", 18).digest
    assert len({space.digest for space in SHIPPED.values()}) == len(SHIPPED)
