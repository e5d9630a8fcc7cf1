"""The identity of a workload."""

import copy
import dataclasses
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload

params = st.dictionaries(
    st.text(min_size=1, max_size=8), st.integers() | st.text(max_size=8) | st.booleans(), max_size=5
)
shapes = st.lists(st.integers(1, 512), min_size=1, max_size=4).map(tuple)


@given(params, shapes, st.randoms())
def test_the_key_does_not_depend_on_field_order(values, shape, random):
    shuffled = list(values.items())
    random.shuffle(shuffled)
    one, other = (
        Workload("pattern", "standard", shape, values),
        Workload("pattern", "standard", shape, dict(shuffled)),
    )
    assert one == other
    assert one.key == other.key
    assert hash(one) == hash(other)


@given(params, shapes, st.integers(0, 100))
def test_round_trips(values, shape, seed):
    workload = Workload("factory", "a.b:c", shape, values, seed)
    assert Workload.from_dict(workload.to_dict()) == workload
    assert copy.deepcopy(workload) == workload
    assert pickle.loads(pickle.dumps(workload)) == workload


@given(shapes, shapes)
def test_other_inputs_have_other_keys(one, other):
    same = Workload("timm", "x", one).key == Workload("timm", "x", other).key
    assert same == (one == other)


def test_seed_kind_and_params_are_part_of_the_key():
    base = Workload("timm", "x", (1, 3))
    others = [
        Workload("torchvision", "x", (1, 3)),
        Workload("timm", "x", (1, 3), seed=1),
        Workload("timm", "x", (1, 3), {"a": 1}),
    ]
    assert len({base.key, *(o.key for o in others)}) == 4


def test_is_immutable():
    workload = Workload("timm", "x", (1, 3), {"a": 1})
    with pytest.raises(TypeError):
        workload.params["a"] = 2


@pytest.mark.parametrize("shape", [(), (0, 3), (-1, 3)])
def test_impossible_shapes(shape):
    with pytest.raises(UsageError, match="dimension below 1"):
        Workload("timm", "x", shape)


def test_unknown_kind_and_missing_key():
    with pytest.raises(UsageError, match="unknown workload kind 'caffe'"):
        Workload("caffe", "x", (1,))
    with pytest.raises(UsageError, match="input_shape"):
        Workload.from_dict({"kind": "timm", "name": "x"})


def test_the_key_is_computed_once_and_is_no_part_of_the_value():
    one, other = Workload("timm", "x", (1, 3)), Workload("timm", "x", (1, 3))
    assert one.key is one.key
    assert one == other
    assert hash(one) == hash(other)
    assert dataclasses.replace(one, seed=1).key != one.key
    assert copy.copy(one).key == one.key
