"""The table as NNI's profiler, against the table."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from hwnas import nni as bridge
from hwnas.core.errors import UnknownName, UsageError
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.workloads.spaces.pattern_space import PatternSpace

pytestmark = pytest.mark.usefixtures("needs_nni")

ABOUT = {"backend": "made:up", "host": "a made-up machine", "batch": 1}


def samples(space: PatternSpace) -> list[dict]:
    names = [choice.name for choice in space.choices]
    return [dict(zip(names, o, strict=True)) for o in itertools.product(*(c.options for c in space.choices))]


def test_profiles_are_the_latencies_of_the_table(small: PatternSpace, small_table: LatencyTable) -> None:
    profiler = bridge.latency_profiler(small_table, bridge.SpaceModel(small))
    for sample in samples(small):
        assert profiler.profile(sample) == pytest.approx(small_table.latency(sample), rel=1e-12)


def test_expectations_of_nni_and_of_the_table_agree(small: PatternSpace, small_table: LatencyTable) -> None:
    from nni.nas.oneshot.pytorch.supermodule._expression_utils import expression_expectation

    profiler = bridge.latency_profiler(small_table, bridge.SpaceModel(small))
    draw = torch.Generator().manual_seed(0)
    distributions = {}
    for choice in small.choices:
        p = torch.rand(len(choice.options), generator=draw, dtype=torch.float64).softmax(-1)
        distributions[choice.name] = dict(zip(choice.options, p, strict=True))
    ours = profiler.expected_s(distributions)
    assert float(expression_expectation(profiler.expression, distributions)) == pytest.approx(
        float(ours), rel=1e-9
    )
    plain = {name: {o: float(p) for o, p in found.items()} for name, found in distributions.items()}
    assert float(profiler.expected_s(plain)) == pytest.approx(float(ours), rel=1e-6)


def test_a_table_without_choices_that_matter_is_a_constant(small: PatternSpace) -> None:
    table = LatencyTable({"stage1.width": [8, 16]}, [], 2e-3, **ABOUT)
    assert bridge.latency_profiler(table, bridge.SpaceModel(small)).profile(samples(small)[0]) == 2e-3


@pytest.fixture
def own():
    """A model space of a user of NNI."""
    from nni.nas.nn.pytorch import LayerChoice, ModelSpace

    class Own(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.layer = LayerChoice({"c3": nn.Conv2d(1, 4, 3), "c5": nn.Conv2d(1, 4, 5)}, label="layer")
            self.other = LayerChoice([nn.Identity(), nn.ReLU()], label="other")

    return Own()


def test_layer_choices_with_names_have_latencies(own) -> None:
    table = LatencyTable({"layer": ["c5", "c3"]}, [Factor("layer", "layer", [5e-3, 3e-3])], 1e-3, **ABOUT)
    profiler = bridge.latency_profiler(table, own)
    assert profiler.profile({"layer": "c3", "other": 0}) == pytest.approx(4e-3)
    assert profiler.profile({"layer": "c5", "other": 1}) == pytest.approx(6e-3)


def test_tables_of_other_choices_are_refused(own) -> None:
    with pytest.raises(UnknownName, match=r"choice of the model space 'layers'.*layer"):
        bridge.latency_profiler(LatencyTable({"layers": ["c3", "c5"]}, [], 1e-3, **ABOUT), own)
    with pytest.raises(UsageError, match=r"options of layer are .*'c3', 'c5'.*'c7'"):
        bridge.latency_profiler(LatencyTable({"layer": ["c3", "c7"]}, [], 1e-3, **ABOUT), own)
    with pytest.raises(UsageError, match=r"giving them as a dictionary"):
        bridge.latency_profiler(LatencyTable({"other": ["identity", "relu"]}, [], 1e-3, **ABOUT), own)


def test_missing_probabilities_are_named(small: PatternSpace, small_table: LatencyTable) -> None:
    profiler = bridge.latency_profiler(small_table, bridge.SpaceModel(small))
    with pytest.raises(UsageError, match=r"no probability is given for 'standard' of stage1.pattern"):
        profiler.expected_s({})


def test_the_filter_lets_no_slow_network_through(small: PatternSpace, small_table: LatencyTable) -> None:
    import nni
    from nni.nas.evaluator import FunctionalEvaluator
    from nni.nas.execution import SequentialExecutionEngine
    from nni.nas.space import SimplifiedModelSpace
    from nni.nas.strategy import Random
    from nni.nas.strategy.middleware import Chain

    model_space = bridge.SpaceModel(small)
    limit_s = small_table.latency(samples(small)[20])
    ran = []

    def evaluate(model) -> None:
        ran.append(small_table.latency(model.architecture))
        nni.report_final_result(0.5)

    through = bridge.latency_filter(bridge.latency_profiler(small_table, model_space), f"{limit_s * 1e3:.6f}ms")
    evaluator = FunctionalEvaluator(evaluate)
    engine = SequentialExecutionEngine(max_model_count=6)
    Chain(Random(seed=0), through)(SimplifiedModelSpace.from_model(model_space, evaluator), engine)
    assert len(ran) == 6
    assert max(ran) <= limit_s * 1.00001
    assert max(map(small_table.latency, samples(small))) > 1.1 * limit_s


def test_a_limit_that_no_network_holds_is_refused(small: PatternSpace, small_table: LatencyTable) -> None:
    profiler = bridge.latency_profiler(small_table, bridge.SpaceModel(small))
    with pytest.raises(UsageError, match=r"the latency limit is 0\.0"):
        bridge.latency_filter(profiler, 0.0)
