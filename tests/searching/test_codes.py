"""Architectures as rows, on a space whose architectures may have equal networks."""

import numpy as np
import pytest
from searching_lab import CELLS, everything, small_space

from hwnas.searching.codes import Codes, distinct, without
from hwnas.workloads.spaces.space_file import load_space


@pytest.fixture(params=["patterns", "mbconv", "darts", "nasbench201"])
def codes(request):
    return Codes(load_space(request.param))


def test_rows_and_architectures_tell_the_same(codes):
    rows = codes.sample(20, np.random.default_rng(0))
    assert (codes.encode(map(codes.decode, rows)) == rows).all()
    for row in rows:
        codes.space.validate(codes.decode(row))


def test_mutants_differ_from_their_parents_and_are_canonical(codes):
    rng = np.random.default_rng(0)
    parents = codes.sample(5, rng)
    mutants = codes.mutants(parents, 100, rng)
    assert len(mutants) > 50
    assert len(distinct(mutants)) == len(mutants)
    assert (codes.canonical(mutants) == mutants).all()
    differences = (mutants[:, None, :] != parents[None, :, :]).sum(axis=2).min(axis=1)
    assert np.median(differences) <= 2


def test_everything_is_every_network_once(tmp_path):
    space = small_space(tmp_path)
    codes = Codes(space)
    assert len(codes.everything) == space.count()
    assert len(distinct(codes.everything)) == space.count()
    assert (codes.canonical(codes.everything) == codes.everything).all()
    assert len(Codes(CELLS).everything) == 3**6 == len(everything(CELLS))


def test_sampling_is_repeatable(codes):
    first, second = (codes.sample(10, np.random.default_rng(7)) for _ in range(2))
    assert (first == second).all()


def test_without_leaves_the_others():
    rows = np.array([[0, 1], [1, 1], [2, 0]])
    assert without(rows, [(1, 1), (5, 5)]).tolist() == [[0, 1], [2, 0]]
    assert without(rows[:0], [(1, 1)]).shape == (0, 2)


def test_a_space_without_a_choice_has_no_mutants(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(
        "kind: patterns\ninput: 1x8x8\nclasses: 2\npatterns: [standard]\nstages: [{width: [8], depth: [1]}]\n"
    )
    codes = Codes(load_space(str(path)))
    assert codes.mutants(codes.everything, 10, np.random.default_rng(0)).tolist() == codes.everything.tolist()
