"""The objective as trials of a user's own experiments call it."""

from __future__ import annotations

import json

import pytest

from hwnas import nni as bridge
from hwnas.core.errors import UnknownName, UsageError
from hwnas.predicting.latency_table import LatencyTable
from hwnas.workloads.spaces.pattern_space import PatternSpace

pytestmark = pytest.mark.usefixtures("needs_nni")


class Asked:
    """An accuracy that knows who asked for it."""

    def __init__(self, value: float = 0.75) -> None:
        self.value = value
        self.architectures: list[dict] = []

    def __call__(self, architecture) -> float:
        self.architectures.append(architecture)
        return self.value


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch):
    """What stands between a trial and its experiment: parameters and metrics go through it as JSON."""
    import nni
    import nni.trial
    from nni.runtime import trial_command_channel

    class Channel(trial_command_channel.TrialCommandChannel):
        parameters: dict | None = None

        def __init__(self) -> None:
            self.reported: list = []

        def receive_parameter(self):
            return {"parameter_id": 7, "parameters": json.loads(json.dumps(self.parameters))}

        def send_metric(self, type, parameter_id, trial_job_id, sequence, value) -> None:
            self.reported.append((type, parameter_id, json.loads(json.dumps(value))))

    found = Channel()
    monkeypatch.setattr(trial_command_channel, "_channel", found)
    monkeypatch.setattr(nni.trial, "_params", None)
    return found


def sample(space: PatternSpace, place: int) -> dict:
    return {choice.name: choice.options[place] for choice in space.choices}


def test_a_trial_reports_accuracy_and_latency(small: PatternSpace, small_table: LatencyTable, channel) -> None:
    accuracy = Asked()
    objective = bridge.Objective(small, accuracy, latency=small_table, max_latency="10ms")
    channel.parameters = {**sample(small, -1), "learning_rate": 0.1}
    reported = objective.run_trial()
    architecture = sample(small, -1)
    assert accuracy.architectures == [architecture]
    assert reported["latency_ms"] == pytest.approx(small_table.latency(architecture) * 1e3)
    assert channel.reported == [("FINAL", 7, reported)]
    assert (reported["default"], reported["feasible"]) == (0.75, 1.0)


def test_networks_beyond_the_limit_are_not_trained(
    small: PatternSpace, small_table: LatencyTable, channel
) -> None:
    accuracy = Asked()
    slowest, slowest_s = small_table.slowest()
    objective = bridge.Objective(small, accuracy, latency=small_table.latency, max_latency=0.9 * slowest_s)
    channel.parameters = slowest
    assert objective.run_trial() == {
        "default": 0.0,
        "feasible": 0.0,
        "latency_ms": pytest.approx(slowest_s * 1e3),
    }
    assert channel.reported[0][2]["default"] == 0.0
    assert not accuracy.architectures


def test_without_a_limit_accuracy_alone_is_reported(small: PatternSpace) -> None:
    assert bridge.Objective(small, Asked()).metrics(sample(small, 0)) == {"default": 0.75}


def test_an_architecture_search_of_nni_calls_it(small: PatternSpace, small_table: LatencyTable) -> None:
    from nni.nas.evaluator import FunctionalEvaluator
    from nni.nas.execution import SequentialExecutionEngine
    from nni.nas.space import SimplifiedModelSpace
    from nni.nas.strategy import Random

    accuracy = Asked()
    middle_s = sum(s for _, s in (small_table.fastest(), small_table.slowest())) / 2
    objective = bridge.Objective(small, accuracy, latency=small_table, max_latency=middle_s)
    engine = SequentialExecutionEngine(max_model_count=12)
    model_space = SimplifiedModelSpace.from_model(bridge.SpaceModel(small), FunctionalEvaluator(objective))
    Random(seed=0)(model_space, engine)
    for model in engine.list_models():
        assert model.metric == (0.75 if small_table.latency(model.sample) <= middle_s else 0.0)
    assert 0 < len(accuracy.architectures) < 12


def test_outside_of_an_experiment_it_says_so(small: PatternSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    from nni.runtime import trial_command_channel
    from nni.runtime.trial_command_channel.standalone import StandaloneTrialCommandChannel

    monkeypatch.setattr(trial_command_channel, "_channel", StandaloneTrialCommandChannel())
    with pytest.raises(UsageError, match=r"this is no trial of an NNI experiment"):
        bridge.Objective(small, Asked()).run_trial()


def test_what_cannot_be_used_is_refused(small: PatternSpace, channel) -> None:
    with pytest.raises(UsageError, match=r"a limit is given, but nothing that tells latencies"):
        bridge.Objective(small, Asked(), max_latency="2ms")
    with pytest.raises(UsageError, match=r"cannot read the quantity '2 miles'"):
        bridge.Objective(small, Asked(), latency=lambda a: 1e-3, max_latency="2 miles")
    with pytest.raises(UsageError, match=r"the latency limit is 0ms"):
        bridge.Objective(small, Asked(), latency=lambda a: 1e-3, max_latency="0ms")
    with pytest.raises(UsageError, match=r"the accuracy of standard,8,0,3.standard,8,1,3 is inf"):
        bridge.Objective(small, Asked(float("inf"))).metrics(sample(small, 0))
    blind = bridge.Objective(small, Asked(), latency=lambda a: float("nan"), max_latency="2ms")
    with pytest.raises(UsageError, match=r"the latency of standard,8,0,3.standard,8,1,3 is nan"):
        blind.metrics(sample(small, 0))
    channel.parameters = {**sample(small, 0), "stage1.width": 24}
    with pytest.raises(UnknownName, match=r"option of stage1.width"):
        bridge.Objective(small, Asked()).run_trial()
    with pytest.raises(UsageError, match=r"a str came, not a network of a SpaceModel"):
        bridge.Objective(small, Asked())("standard")


def test_it_says_what_it_is(small: PatternSpace) -> None:
    objective = bridge.Objective(small, Asked(), latency=lambda a: 1e-3, max_latency="2ms")
    assert repr(objective) == "Objective('small', at most 2.00 ms)"
