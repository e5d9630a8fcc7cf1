"""Our spaces as NNI's model spaces."""

from __future__ import annotations

import random

import pytest
import torch

from hwnas import nni as bridge
from hwnas.core.errors import UsageError
from hwnas.workloads.spaces.pattern_space import PatternSpace
from hwnas.workloads.spaces.space_file import load_space

pytestmark = pytest.mark.usefixtures("needs_nni")


@pytest.mark.parametrize("name", ["patterns", "mbconv", "darts", "nasbench201"])
def test_choices_become_labelled_choices_of_nni(name: str) -> None:
    space = load_space(name)
    mutables = bridge.SpaceModel(name).simplify()
    assert list(mutables) == [choice.name for choice in space.choices]
    assert [m.values for m in mutables.values()] == [list(choice.options) for choice in space.choices]


def test_freeze_builds_our_network(small: PatternSpace) -> None:
    model = bridge.SpaceModel(small)
    for seed in range(5):
        architecture = small.sample(random.Random(seed))
        network = model.freeze(dict(architecture))
        assert repr(network) == repr(small.network(architecture))
        assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_samples_of_other_spaces_are_refused_by_nni(small: PatternSpace) -> None:
    sample = {choice.name: choice.options[0] for choice in small.choices}
    with pytest.raises(ValueError, match=r"24 not found in"):
        bridge.SpaceModel(small).freeze({**sample, "stage1.width": 24})


def test_nni_makes_trials_that_are_one_network(small: PatternSpace) -> None:
    from nni.nas.space import SimplifiedModelSpace

    whole = bridge.SpaceModel(small)
    sample = {choice.name: choice.options[-1] for choice in small.choices}
    trial = SimplifiedModelSpace.from_model(whole).freeze(sample).executable_model()
    assert trial.architecture == sample
    assert repr(trial.network) == repr(small.network(sample))
    assert trial(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert sum(p.numel() for p in trial.parameters()) == sum(p.numel() for p in trial.network.parameters()) > 0
    with pytest.raises(UsageError, match=r"is many networks"):
        whole(torch.zeros(2, 1, 8, 8))
