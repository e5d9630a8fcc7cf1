"""Our sampler on its own: what it asks for, and that it finds what there is."""

import numpy as np
import pytest
from searching_lab import CELLS, Known, Sum, each, everything, small_space

from hwnas.core.errors import CellError, UsageError
from hwnas.searching.codes import codes_of
from hwnas.searching.cost_model import CostModel
from hwnas.searching.counted_cost import CountedCost
from hwnas.searching.estimate import Estimate
from hwnas.searching.expected_time import ExpectedTime
from hwnas.searching.learned_latency import LearnedLatency
from hwnas.searching.limit import Limit
from hwnas.searching.suggester import NothingLeft, Seen, Suggester
from hwnas.workloads.spaces.space_file import load_space

#: What a search knows to begin with.
NOTHING = Seen(np.zeros((0, len(codes_of(CELLS).options)), dtype=np.int64), np.zeros(0))


def search(space, suggester, count):
    known, asked = Known(space), []
    for _ in range(count):
        architecture = suggester.ask()
        (row,) = known.codes.encode([architecture])
        asked.append(tuple(row.tolist()))
        suggester.tell(architecture, known.accuracy(row))
    return asked


@pytest.fixture(scope="module")
def cells_within():
    """A limit that a third of the small cells hold, and the best accuracy among those."""
    cost = Sum(CELLS)
    rows = everything(CELLS)
    limit_s = float(np.quantile(cost.values(rows), 0.33))
    within = rows[cost.values(rows) <= limit_s]
    return Limit(cost, limit_s), max(Known(CELLS).accuracy(row) for row in within)


def test_it_finds_the_best_network_within_the_limit(cells_within):
    limit, best = cells_within
    suggester = Suggester(CELLS, limits=[limit], seed=3)
    asked = search(CELLS, suggester, 30)
    assert len(set(asked)) == 30
    assert (limit.cost.values(np.array(asked)) <= limit.at_most).all()
    assert max(Known(CELLS).accuracy(np.array(row)) for row in asked) == pytest.approx(best)


def test_where_time_is_limited_quick_networks_come_first_and_the_gain_decides_in_the_end():
    codes = codes_of(CELLS)
    rng = np.random.default_rng(0)
    rows = codes.sample(40, rng)
    # The first choice says nothing of the accuracy,
    accuracies = np.array([Known(CELLS).accuracy(row[1:]) for row in rows])
    free = Suggester(CELLS, seed=1).propose(Seen(rows, accuracies))
    # and all of the time.
    seconds = np.where(rows[:, 0] == free[0], 1000.0, 1.0)
    hurried = Suggester(CELLS, seed=1, budget_s=100.0)
    first = hurried.propose(Seen(rows, accuracies, seconds=seconds, spent_s=0.0))
    last = hurried.propose(Seen(rows, accuracies, seconds=seconds, spent_s=100.0))
    assert first[0] != free[0]
    assert last.tolist() == free.tolist()


def test_random_networks_take_a_quarter_of_the_time():
    rows = codes_of(CELLS).sample(10, np.random.default_rng(0))
    accuracies = np.array([Known(CELLS).accuracy(row) for row in rows])
    seconds = np.ones(len(rows))

    def proposed(count, spent_s, budget_s=100.0):
        seen = Seen(rows[:count], accuracies[:count], seconds=seconds[:count], spent_s=spent_s)
        return Suggester(CELLS, seed=1, budget_s=budget_s, entrants=1).propose(seen).tolist()

    # What is drawn does not depend on the time that is left, and what was learned does not where it is over.
    drawn = proposed(5, 0.0)
    assert proposed(5, 24.0) == drawn
    assert proposed(4, 100.0) == proposed(4, 0.0)
    assert proposed(9, 100.0) != proposed(9, 0.0)
    assert proposed(5, 100.0) == proposed(5, 100.0, budget_s=50.0) != drawn


def test_times_are_learned_and_unknown_ones_left_out():
    features = [np.arange(20.0)[:, None] / 10]
    seconds = np.exp(features[0][:, 0])
    seconds[3] = np.nan
    wanted = [np.array([[0.5], [1.5]])]
    quick, slow = ExpectedTime(1).relative(features, seconds, wanted)
    assert slow / quick == pytest.approx(np.e, rel=0.1)
    nothing = np.full(20, np.nan)
    assert ExpectedTime(1).relative(features, nothing, wanted).tolist() == [1, 1]


def test_the_same_seed_asks_the_same(cells_within):
    limit, _ = cells_within
    first, second, other = (search(CELLS, Suggester(CELLS, limits=[limit], seed=s), 14) for s in (1, 1, 2))
    assert first == second
    assert first != other


@pytest.mark.parametrize("budget_s", [None, 100.0])
def test_what_was_suggested_before_changes_nothing(budget_s):
    """A search that goes on in another process suggests what this one would have."""
    rows = codes_of(CELLS).sample(25, np.random.default_rng(0))
    accuracies = np.array([Known(CELLS).accuracy(row) for row in rows])
    seconds = 1.0 + rows.sum(axis=1)

    def seen(count):
        return Seen(rows[:count], accuracies[:count], asked=count, seconds=seconds[:count], spent_s=50.0)

    used = Suggester(CELLS, seed=1, budget_s=budget_s)
    suggested = [used.propose(seen(count)).tolist() for count in (11, 15, 20)]
    assert suggested[-1] == Suggester(CELLS, seed=1, budget_s=budget_s).propose(seen(20)).tolist()


def test_a_large_space_is_searched_near_the_best():
    space = load_space("darts")
    asked = search(space, Suggester(space, seed=0, startup=6), 11)
    accuracies = [Known(space).accuracy(np.array(row)) for row in asked]
    assert len(set(asked)) == 11
    assert np.mean(accuracies[6:]) > np.mean(accuracies[:6])
    assert max(accuracies[6:]) > max(accuracies[:6])


def test_a_limit_that_few_networks_hold_is_reached():
    space = load_space("mbconv")
    cost = Sum(space)
    # Below all but one in thousands of the networks.
    rows = Suggester(space).codes.sample(2000, np.random.default_rng(0))
    limit = Limit(cost, float(cost.values(rows).min()) * 0.8)
    suggester = Suggester(space, limits=[limit], seed=0)
    (row,) = suggester.codes.encode([suggester.ask()])
    assert cost.values(row[None])[0] <= limit.at_most


def test_a_limit_that_nothing_holds_is_told():
    suggester = Suggester(CELLS, limits=[Limit(Sum(CELLS), 0.5e-3)])
    with pytest.raises(NothingLeft, match=r"latency 500 µs at 90 %; the least is 1\.00 ms") as raised:
        suggester.ask()
    assert isinstance(raised.value, UsageError)


def test_a_space_ends(tmp_path):
    space = small_space(tmp_path)
    limit = Limit(Sum(space), 5e-3)
    count = int((limit.cost.values(everything(space)) <= 5e-3).sum())
    suggester = Suggester(space, limits=[limit])
    assert len(set(search(space, suggester, count))) == count
    # It does not say that there is none: some were tried.
    with pytest.raises(NothingLeft, match=r"no further network of .* is surely within latency 5\.00 ms"):
        suggester.ask()


def test_costs_that_cannot_be_screened_are_looked_at_one_by_one(cells_within):
    limit, best = cells_within
    closely = Limit(Sum(CELLS, screens=False), limit.at_most)
    asked = search(CELLS, Suggester(CELLS, limits=[closely], seed=0), 40)
    assert (closely.cost.values(np.array(asked)) <= closely.at_most).all()
    assert max(Known(CELLS).accuracy(np.array(row)) for row in asked) == pytest.approx(best, abs=0.02)


def test_a_memory_that_few_networks_hold_is_reached():
    space = load_space("patterns")
    cost = CountedCost(space, "memory")
    codes = codes_of(space)
    sampled = [codes.decode(row) for row in codes.sample(60, np.random.default_rng(5))]
    at_most = min(float(cost.estimate(architecture).median[0]) for architecture in sampled)
    suggester = Suggester(space, limits=[Limit(cost, at_most)], seed=0)
    for _ in range(3):
        assert cost.estimate(suggester.ask()).median[0] <= at_most
    with pytest.raises(NothingLeft, match=r"memory 100 B.* at 90 %; the least is"):
        Suggester(space, limits=[Limit(cost, 100.0)]).ask()


def test_networks_that_cannot_be_judged_are_left_out(cells_within):
    limit, _ = cells_within

    class Broken(Sum):
        def estimate(self, architecture):
            if architecture["node1.from0"] == "none":
                raise CellError("cannot be compiled")
            return super().estimate(architecture)

    suggester = Suggester(CELLS, limits=[Limit(Broken(CELLS), limit.at_most)])
    for _ in range(12):
        architecture = suggester.ask()
        assert architecture["node1.from0"] != "none"
        suggester.tell(architecture, 0.5)


class OpenUnlessFirst(CostModel):
    """Networks without the first option may or may not be within 1, until one looks closely."""

    name, unit, closely_exact = "latency", "s", True

    def screen(self, codes):
        first = codes[:, 0] == 0
        return Estimate(np.where(first, 0.5, 1.0), np.where(first, 0.0, 0.1))

    def estimate(self, architecture):
        return Estimate.exact(np.array([0.5]))


def test_to_begin_with_what_is_not_sure_comes_last_unless_time_is_limited():
    options = codes_of(CELLS).options[0]

    def share(budget_s):
        limits = [Limit(OpenUnlessFirst(), 1.0)]
        asked = [
            Suggester(CELLS, limits=limits, seed=seed, entrants=1, budget_s=budget_s) for seed in range(150)
        ]
        return np.mean([suggester.propose(NOTHING)[0] == 0 for suggester in asked])

    assert share(None) == 1
    # Half as likely to be within the limit, half as likely to be drawn.
    assert share(100.0) == pytest.approx(1 / (1 + (options - 1) / 2), abs=0.12)


def test_what_the_latency_model_leaves_open_is_measured():
    truth = Sum(CELLS)
    rows = everything(CELLS)
    rng = np.random.default_rng(0)
    noisy = dict(
        zip(map(tuple, rows.tolist()), truth.values(rows) * np.exp(rng.normal(0, 0.05, len(rows))), strict=True)
    )
    seen = []

    def measure(architecture):
        (row,) = truth.codes.encode([architecture]).tolist()
        seen.append(tuple(row))
        return noisy[tuple(row)]

    model = LearnedLatency(CELLS, each(measure), budget=20)
    limit = Limit(model, float(np.quantile(list(noisy.values()), 0.4)))
    asked = search(CELLS, Suggester(CELLS, limits=[limit], seed=0), 30)
    assert len(seen) == len(set(seen)) <= 20
    assert len(seen) > 10
    assert set(asked) & set(seen)
    # Of those that were measured, none is beyond; of the others, one in ten may be.
    assert all(noisy[row] <= limit.at_most for row in set(asked) & set(seen))
    assert np.mean([noisy[row] <= limit.at_most for row in asked]) >= 0.85


def test_with_a_cost_to_keep_small_the_front_is_spread():
    cost = Sum(CELLS)
    suggester = Suggester(CELLS, traded=[cost], seed=0)
    asked = search(CELLS, suggester, 40)
    costs = cost.values(np.array(asked[10:]))
    everywhere = cost.values(everything(CELLS))
    # Cheap networks and dear ones, and not the dear ones alone.
    assert costs.min() < np.quantile(everywhere, 0.1)
    assert costs.max() > np.quantile(everywhere, 0.8)


def test_what_was_tried_elsewhere_counts():
    suggester = Suggester(CELLS, startup=2)
    best = dict.fromkeys((c.name for c in CELLS.choices), "nor_conv_3x3")
    for architecture, accuracy in ((best, 0.9), ({**best, "node1.from0": "none"}, 0.8)):
        suggester.tell(architecture, accuracy)
    assert suggester.ask() not in (best, {**best, "node1.from0": "none"})


def test_an_accuracy_that_is_no_number_is_refused():
    suggester = Suggester(CELLS)
    with pytest.raises(UsageError, match="not a number"):
        suggester.tell(suggester.ask(), float("nan"))


def test_the_least_may_be_that_of_a_network_that_was_looked_at_closely():
    """What a close look has ruled out is nearer to the limit than what was never worth one."""

    class Closely(Sum):
        closely_exact = True

        def screen(self, codes):
            return Estimate(self.values(codes), np.full(len(codes), 0.1))

    with pytest.raises(NothingLeft, match=r"latency 950 µs at 90 %; the least is 1\.00 ms"):
        Suggester(CELLS, limits=[Limit(Closely(CELLS), 0.95e-3)]).ask()
