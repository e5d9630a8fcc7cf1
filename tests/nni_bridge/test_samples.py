"""Choices as NNI writes them, and samples as architectures."""

from __future__ import annotations

import json

import pytest

from hwnas.core.errors import UnknownName, UsageError
from hwnas.nni_bridge.samples import architecture_of, search_space
from hwnas.workloads.spaces.mbconv_space import MBConvSpace, MBConvStage
from hwnas.workloads.spaces.pattern_space import PatternSpace


def test_the_search_space_of_an_experiment_is_json(small: PatternSpace) -> None:
    found = json.loads(json.dumps(search_space(small)))
    assert list(found) == [choice.name for choice in small.choices]
    assert found["stage1.width"] == {"_type": "choice", "_value": [8, 16]}
    assert found == search_space(small)


def test_shipped_spaces_are_found_by_name() -> None:
    assert len(search_space("nasbench201")) == 6


def test_samples_become_canonical_architectures(small: PatternSpace) -> None:
    sample = {choice.name: choice.options[-1] for choice in small.choices}
    assert architecture_of(small, {**sample, "learning_rate": 0.1}) == small.canonical(sample)
    empty = {**sample, "stage1.depth": 0}
    assert architecture_of(small, empty)["stage1.pattern"] == "standard"


def test_samples_of_other_spaces_are_refused(small: PatternSpace) -> None:
    sample = {choice.name: choice.options[0] for choice in small.choices}
    with pytest.raises(UnknownName, match=r"option of stage1.width"):
        architecture_of(small, {**sample, "stage1.width": 24})
    del sample["stage2.width"]
    with pytest.raises(UsageError, match=r"no option for stage2.width"):
        architecture_of(small, sample)


def test_options_that_nni_cannot_tell_apart_are_refused() -> None:
    stage = MBConvStage(1, (8,), (1,), (3,), (1,), (True, 1))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"stage1.se apart"):
        search_space(MBConvSpace("odd", "", (3, 8, 8), 2, stages=(stage,), stem=8))
