"""What describes an architecture: the same for every space, and the same for networks that compute the same."""

import numpy as np
import pytest
from searching_lab import CELLS, small_space

from hwnas.predicting.encoded import ChoiceEncoding
from hwnas.searching.choice_kinds import encoding
from hwnas.searching.codes import Codes
from hwnas.searching.features import Features
from hwnas.workloads.spaces.space_file import load_space


def cell(codes, *operators):
    return codes.encode([dict(zip((c.name for c in CELLS.choices), operators, strict=True))])


@pytest.fixture(scope="module")
def described():
    codes = Codes(CELLS)
    return codes, Features(codes)


def test_cells_that_compute_the_same_have_the_same_paths(described):
    codes, features = described
    # A convolution before a skip, one after it, and one beside an edge that leads nowhere.
    conv, skip, none = "nor_conv_3x3", "skip_connect", "none"
    same = [
        cell(codes, none, none, none, conv, none, none),
        cell(codes, conv, none, none, none, skip, none),
        cell(codes, skip, none, conv, none, none, skip),
        cell(codes, none, conv, none, conv, none, none),
    ]
    paths = [features.groups(row)[1] for row in same]
    for other in paths[1:]:
        np.testing.assert_allclose(other, paths[0])
    different = features.groups(cell(codes, conv, none, none, none, conv, none))[1]
    assert np.abs(different - paths[0]).max() > 0.1


def test_places_differ_by_the_share_of_choices(described):
    codes, features = described
    none = cell(codes, *["none"] * 6)
    for changed in range(7):
        row = cell(codes, *["skip_connect"] * changed, *["none"] * (6 - changed))
        distance = ((features.groups(none)[0] - features.groups(row)[0]) ** 2).sum()
        assert distance == pytest.approx(changed / 6)


@pytest.mark.parametrize("name", ["patterns", "mbconv", "darts"])
def test_large_spaces_are_described(name):
    codes = Codes(load_space(name))
    features = Features(codes)
    rows = codes.sample(50, np.random.default_rng(1))
    groups = features.groups(rows)
    assert len(groups) == (4 if name == "darts" else 3)
    for group in groups:
        assert group.shape[0] == len(rows)
        assert np.isfinite(group).all()
        distances = ((group[:, None] - group[None]) ** 2).sum(axis=2)
        assert 0.1 < np.median(distances) < 4
    again = features.groups(rows[::-1])
    for group, other in zip(groups, again, strict=True):
        np.testing.assert_array_equal(group[::-1], other)


def test_numbers_have_an_order(tmp_path):
    space = small_space(tmp_path)
    codes = Codes(space)
    first = codes.everything[0]
    place = [c.name for c in space.choices].index("stage1.width")
    rows = np.stack([first] * 3)
    rows[:, place] = [0, 1, 2]
    near, far = (
        ((Features(codes).groups(rows)[0][[0]] - Features(codes).groups(rows)[0][[i]]) ** 2).sum()
        for i in (1, 2)
    )
    assert 0 < near < far


def test_choices_of_one_kind_share_labels():
    operators = encoding(CELLS)
    assert operators.labels == ((0, 1, 2),) * 6
    row = np.array([[0, 0, 1, 2, 2, 2]])
    np.testing.assert_array_equal(operators.counts(row), [[2, 1, 3]])
    np.testing.assert_array_equal(ChoiceEncoding((3,) * 6).counts(row), [[2, 1, 3]])
    patterns = load_space("patterns")
    by_name = dict(zip((c.name for c in patterns.choices), encoding(patterns).labels, strict=True))
    assert by_name["stage1.pattern"] == by_name["stage3.pattern"]
    assert by_name["stage1.depth"] == by_name["stage2.depth"]
    assert not set(by_name["stage1.depth"]) & set(by_name["stage1.kernel"])
    # 32 is a width of both stages, and means the same there.
    assert len(set(by_name["stage1.width"]) & set(by_name["stage2.width"])) == 1


def test_equal_rows_mix_nothing_up():
    """Somebody may tell one network twice."""
    codes = Codes(load_space("patterns"))
    rows = codes.sample(40, np.random.default_rng(7))
    told_twice = Features(codes)
    told_twice.groups(np.vstack([rows[:10], rows[:10]]))
    for group, other in zip(told_twice.groups(rows), Features(codes).groups(rows), strict=True):
        np.testing.assert_array_equal(group, other)
