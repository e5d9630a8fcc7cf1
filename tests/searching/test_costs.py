"""What tells costs: against counting whole networks, against a real predictor, against measurements."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from searching_lab import CELLS, Sum, each, everything, small_space

from hwnas.core.errors import UnknownName, UsageError
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.searching.codes import Codes
from hwnas.searching.counted_cost import COUNTED, CountedCost
from hwnas.searching.learned_latency import LearnedLatency
from hwnas.searching.predicted_latency import PredictedLatency, TableLatency
from hwnas.workloads.spaces.build import architecture_counts
from hwnas.workloads.spaces.space_file import load_space


@pytest.fixture
def space(tmp_path):
    return small_space(tmp_path)


@pytest.mark.parametrize("count", ["macs", "weights"])
def test_parts_add_up_to_networks(space, count):
    cost = CountedCost(space, count)
    rows = Codes(space).sample(3, np.random.default_rng(0))
    one_by_one = [cost.estimate(Codes(space).decode(row)).median[0] for row in rows]
    np.testing.assert_array_equal(cost.screen(rows).median, one_by_one)
    assert cost.screen(rows).spread.tolist() == [0.0] * len(rows)


def test_cells_add_up_too():
    codes = Codes(CELLS)
    architecture = codes.decode([2, 0, 1, 0, 2, 1])
    (total,) = CountedCost(CELLS, "parameters").screen(codes.encode([architecture])).median
    assert architecture_counts(CELLS, architecture).parameters == total


def test_memory_is_more_than_weights(space):
    architecture = Codes(space).decode([0] * len(space.choices))
    memory, weights = (
        CountedCost(space, name).estimate(architecture).median[0] for name in ("memory", "weights")
    )
    assert memory > weights + 4 * 64


@pytest.mark.parametrize("name", ["patterns", "darts", "small"])
def test_memory_is_screened_by_parts(space, name):
    searched = space if name == "small" else load_space(name)
    codes = Codes(searched)
    rows = codes.sample(10, np.random.default_rng(3))
    cost = CountedCost(searched, "memory", batch=2)
    found = cost.screen(rows)
    exact = np.array([cost.estimate(codes.decode(row)).median[0] for row in rows])
    distance = np.abs(np.log(found.median / exact)) / found.spread
    assert np.median(distance) < 1.5
    assert distance.max() < 6
    assert found.spread.max() < 0.3
    # They are told apart at all.
    assert np.corrcoef(np.log(found.median), np.log(exact))[0, 1] > 0.9


def test_what_is_not_counted_is_refused(space):
    with pytest.raises(UnknownName, match="Did you mean memory"):
        CountedCost(space, "memor")
    assert set(COUNTED) == {"macs", "parameters", "weights", "memory"}


def table_of(space):
    factors = [
        Factor(c.name, c.name, torch.arange(1.0, len(c.options) + 1, dtype=torch.float64) * 1e-3)
        for c in space.choices
    ]
    choices = {c.name: c.options for c in space.choices}
    return LatencyTable(choices, factors, 1e-3, backend="openvino:cpu:fp32", host="a made-up machine", batch=1)


def test_a_table_tells_one_and_many_the_same(space):
    cost = TableLatency(space, table_of(space), spread=0.05)
    rows = everything(space)
    many = cost.screen(rows)
    for place in (0, 17, len(rows) - 1):
        one = cost.estimate(Codes(space).decode(rows[place]))
        assert one.median[0] == pytest.approx(many.median[place])
        assert one.spread[0] == many.spread[place] == 0.05
    with pytest.raises(UsageError, match="its choices differ"):
        TableLatency(CELLS, table_of(space))


def test_a_table_in_another_order_is_refused(space):
    """Its columns would be read as those of other choices."""
    table = table_of(space)
    for names, options in ((-1, 1), (1, -1)):
        choices = {name: table.choices[name][::options] for name in list(table.choices)[::names]}
        other = LatencyTable(choices, table.factors, 1e-3, backend="x", host="y", batch=1)
        with pytest.raises(UsageError, match="in another order"):
            TableLatency(space, other)


def test_a_table_of_other_images_is_refused(space):
    table = table_of(space)
    table.space_digest = space.digest
    TableLatency(space, table)
    larger = replace(space, input_shape=(1, 32, 32))
    with pytest.raises(UsageError, match="the same choices, but other networks"):
        TableLatency(larger, table)
    assert LatencyTable.from_dict(table.to_dict()).space_digest == space.digest


class Predictor:
    """Says a fifth more than the table of the space does."""

    backend = "openvino:cpu:fp32"

    def __init__(self, space):
        self.space, self.asked = space, 0

    def table(self, space, *, batch=1, whole_networks=20):
        return table_of(space)

    def predict(self, workload):
        self.asked += 1
        latency_s = 1.2 * table_of(self.space).latency(self.space.parse(workload.params["architecture"]))
        return type("P", (), {"latency_s": latency_s, "low_s": latency_s / 1.1, "high_s": latency_s * 1.1})


def test_the_table_is_corrected_by_whole_networks(space):
    predictor = Predictor(space)
    cost = PredictedLatency(space, predictor)
    codes, rows = Codes(space), everything(space)
    before = cost.screen(rows)
    for row in rows[:30]:
        estimate = cost.estimate(codes.decode(row))
        cost.estimate(codes.decode(row))
    assert predictor.asked == 30
    assert estimate.upper(0.95)[0] == pytest.approx(1.1 * estimate.median[0])
    ratio = cost.screen(rows).median / before.median
    np.testing.assert_allclose(ratio, 1.2 ** (30 / 34))
    assert (cost.screen(rows).spread < before.spread).all()


@pytest.mark.parametrize(("backend", "batch"), [("openvino:cpu:fp32", 4), ("torch:cpu:fp32", 1)])
def test_a_table_of_another_backend_or_batch_is_refused(space, backend, batch):
    """Its sums would be corrected by predictions of something else."""
    predictor = Predictor(space)
    PredictedLatency(space, predictor, table=table_of(space))
    predictor.backend = backend
    with pytest.raises(UsageError, match=f"of openvino:cpu:fp32 at batch 1, and {backend} at batch {batch} is"):
        PredictedLatency(space, predictor, batch=batch, table=table_of(space))


def test_a_few_measurements_tell_a_space():
    truth, measured = Sum(CELLS), []

    def measure(architecture):
        measured.append(CELLS.compact(architecture))
        return float(truth.estimate(architecture).median[0])

    cost = LearnedLatency(CELLS, each(measure), budget=15, first=12)
    rows = everything(CELLS)
    found = cost.screen(rows)
    assert len(measured) == 12
    assert cost.measurements_left == 3
    error = np.log(found.median / truth.values(rows))
    assert np.abs(error).mean() < 0.06
    # Most of them are where the model thinks they may be.
    assert np.mean(truth.values(rows) <= found.upper(0.9)) > 0.8
    new = next(a for a in map(Codes(CELLS).decode, rows) if CELLS.compact(a) not in measured)
    before = cost.estimate(new)
    assert not cost.is_measured(new)
    cost.measure([new])
    assert cost.is_measured(new)
    assert cost.foretold(new) == before
    assert cost.foretold(CELLS.parse(measured[0])) is None
    assert cost.estimate(new).spread[0] == 0
    assert cost.estimate(new).median[0] == truth.estimate(new).median[0]
    assert cost.measurements_left == 2


def test_measurements_of_an_earlier_run_count(space):
    def never(architecture):
        raise AssertionError("measured again")

    rows = Codes(space).sample(6, np.random.default_rng(0))
    truth = Sum(space)
    earlier = {space.compact(Codes(space).decode(row)): float(truth.values(row[None])[0]) for row in rows}
    cost = LearnedLatency(space, each(never), budget=8, first=6)
    cost.remember(earlier)
    assert cost.measurements_left == 2
    assert cost.measured == earlier
    with pytest.raises(UsageError, match="was measured in an earlier run"):
        truth.remember(earlier)


def test_another_estimate_may_be_the_mean_of_the_learned_one(space):
    truth = Sum(space)

    def measure(architecture):
        return 2 * float(truth.estimate(architecture).median[0])

    alone = LearnedLatency(space, each(measure), budget=6, first=6)
    helped = LearnedLatency(space, each(measure), budget=6, first=6, prior=truth)
    rows = everything(space)
    errors = [np.abs(np.log(c.screen(rows).median / (2 * truth.values(rows)))).mean() for c in (alone, helped)]
    assert errors[1] < 0.01 < errors[0]
    # Of what was measured first nothing but that other estimate was known.
    first = space.parse(next(iter(helped.measured)))
    assert helped.foretold(first).median.tolist() == truth.estimate(first).median.tolist()


def test_the_first_measurements_are_near_the_latency_that_matters():
    truth = Sum(CELLS)
    values = truth.values(Codes(CELLS).everything)

    def first(**options):
        def measure(architecture):
            return float(truth.estimate(architecture).median[0])

        cost = LearnedLatency(CELLS, each(measure), budget=5, first=4, **options)
        cost.prepare()
        return sorted(cost.measured.values())

    near_s = 5.1e-3
    # Ten times as many as are wanted, and few of all.
    assert 40 <= ((values >= 0.4 * near_s) & (values <= 2 * near_s)).sum() < 0.1 * len(values)
    found = first(prior=truth, near=near_s)
    assert len(found) == 4
    assert 0.4 * near_s <= found[0] < found[-1] <= 2 * near_s
    everywhere = first(prior=truth)
    assert everywhere[-1] > 2 * near_s
    # Of so small a latency there is one network; and without a prior nobody knows which are near.
    assert first(prior=truth, near=0.6e-3) == everywhere
    assert first(near=near_s) == everywhere


def test_first_measurements_must_be_within_the_budget(space):
    with pytest.raises(UsageError, match="10 of 5"):
        LearnedLatency(space, each(lambda architecture: 1.0), budget=5)
