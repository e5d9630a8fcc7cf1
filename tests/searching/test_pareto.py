"""The front against the definition of dominance."""

from hypothesis import given
from hypothesis import strategies as st

from hwnas.searching.pareto import front

RESULTS = st.lists(
    st.tuples(st.integers(0, 5), st.tuples(st.integers(0, 5), st.integers(0, 5))), min_size=1, max_size=30
)


def dominates(one, other):
    no_worse = one[0] >= other[0] and all(a <= b for a, b in zip(one[1], other[1], strict=True))
    return no_worse and one != other


@given(RESULTS)
def test_nothing_on_the_front_is_dominated_and_everything_else_is(results):
    found = front([accuracy for accuracy, _ in results], [costs for _, costs in results])
    kept = [results[place] for place in found]
    assert len(set(kept)) == len(kept)
    assert not any(dominates(one, other) for one in results for other in kept)
    for result in results:
        assert result in kept or any(dominates(one, result) for one in kept)


@given(RESULTS)
def test_the_cheapest_comes_first(results):
    found = front([accuracy for accuracy, _ in results], [costs for _, costs in results])
    costs = [results[place][1] for place in found]
    assert costs == sorted(costs)


def test_without_costs_the_best_alone_is_left():
    assert front([0.2, 0.9, 0.9], [[], [], []]) == [1]


def test_of_nothing_there_is_none():
    assert front([], []) == []
