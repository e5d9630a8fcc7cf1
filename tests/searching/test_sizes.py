"""Sizes of networks: counted as whole networks are, and larger ones drawn more often."""

import numpy as np
import pytest
from scipy.stats import rankdata
from searching_lab import CELLS

from hwnas.searching.codes import Codes
from hwnas.searching.sizes import sizes_of
from hwnas.workloads.spaces.build import architecture_counts
from hwnas.workloads.spaces.space_file import load_space


@pytest.mark.parametrize("name", ["patterns", "nasbench201"])
def test_logs_are_those_of_whole_networks(name):
    space = load_space(name)
    codes = Codes(space)
    rows = codes.sample(4, np.random.default_rng(0))
    counts = [architecture_counts(space, codes.decode(row)) for row in rows]
    expected = np.log1p([[c.macs, c.parameters] for c in counts])
    np.testing.assert_allclose(sizes_of(space).logs(rows), expected)


@pytest.mark.parametrize(("entrants", "share"), [(1, 1 / 2), (2, 2 / 3), (4, 4 / 5)])
def test_the_one_drawn_is_as_large_as_the_winner_of_a_tournament(entrants, share):
    """The largest of k uniform numbers is k/(k + 1) in the mean."""
    space = load_space("patterns")
    rows = Codes(space).sample(200, np.random.default_rng(0))
    sizes = sizes_of(space)
    macs = sizes.logs(rows)[:, 0]
    place = (rankdata(macs) - 0.5) / len(rows)
    drawn = [
        place[np.argmax(sizes.larger_first(rows, entrants, np.random.default_rng(seed)))] for seed in range(600)
    ]
    assert np.mean(drawn) == pytest.approx(share, abs=0.04)


def test_networks_of_one_size_are_equally_likely():
    rows = Codes(CELLS).sample(200, np.random.default_rng(0))
    macs = sizes_of(CELLS).logs(rows)[:, 0]
    (values, counts) = np.unique(macs, return_counts=True)
    alike = rows[macs == values[np.argmax(counts)]]
    assert len(alike) > 10
    drawn = [
        int(np.argmax(sizes_of(CELLS).larger_first(alike, 2, np.random.default_rng(seed))))
        for seed in range(600)
    ]
    assert np.mean(drawn) / (len(alike) - 1) == pytest.approx(0.5, abs=0.04)


def test_nothing_to_draw_from():
    assert sizes_of(CELLS).larger_first(np.zeros((0, 6), dtype=int), 4, np.random.default_rng(0)).shape == (0,)
