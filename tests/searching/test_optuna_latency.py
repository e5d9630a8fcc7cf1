"""hwnas.optuna.Latency in studies of people's own."""

import math

import optuna
import pytest
from optuna.trial import TrialState

from hwnas.core.errors import UnknownName, UsageError
from hwnas.optuna import Latency
from hwnas.predicting.latency_table import Factor, LatencyTable

WIDTHS = [16, 32, 64]


@pytest.fixture
def table():
    factors = [Factor("width", "width", [1e-3, 2e-3, 4e-3])]
    return LatencyTable(
        {"width": WIDTHS}, factors, 0.5e-3, backend="openvino:cpu:fp32", host="a made-up machine", batch=1
    )


class Predictor:
    """Says 2 ms of everything, and that nine of ten are within a factor of 1.2."""

    def predict(self, network, example_input=None):
        self.asked = network, example_input
        return type("P", (), {"latency_s": 2e-3, "low_s": 2e-3 / 1.2, "high_s": 2e-3 * 1.2})


def new_trial():
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()


@pytest.fixture
def trial():
    return new_trial()


def test_a_table_is_not_taken_for_exact(table):
    # 2.5 ms, and one in ten networks that a table tells so takes more than 2.84 ms.
    with pytest.raises(optuna.TrialPruned, match=r"latency may be 2\.84 ms, more than 2\.80 ms"):
        Latency(table, "2.8ms").constrain(new_trial(), {"width": 32})
    for at_most, options in (("2.9ms", {}), ("2.8ms", {"table_spread": 0.0}), ("2.8ms", {"confidence": 0.8})):
        latency = Latency(table, at_most, **options)
        assert latency.constrain(new_trial(), {"width": 32}) == pytest.approx(2.5e-3)


def test_a_predictor_says_its_interval(trial):
    predictor = Predictor()
    assert Latency(predictor, 2.4e-3).constrain(trial, "torchvision:resnet18") == 2e-3
    assert predictor.asked == ("torchvision:resnet18", None)
    with pytest.raises(optuna.TrialPruned):
        Latency(predictor, 2.4e-3, confidence=0.97).constrain(new_trial(), "torchvision:resnet18")
    assert Latency(predictor).seconds(trial, "torchvision:resnet18") == 2e-3
    assert trial.user_attrs["latency [s]"] == 2e-3


def test_a_study_keeps_what_was_told(table):
    latency = Latency(table, "3ms", name="time")

    def objective(trial):
        width = trial.suggest_categorical("width", WIDTHS)
        latency.constrain(trial, {"width": width})
        return width

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=12)
    assert study.best_params == {"width": 32}
    for trial in study.trials:
        upper_s = table.latency(trial.params) * math.exp(1.2815515655 * 0.1)
        assert trial.constraints["time"] == pytest.approx(math.log(upper_s / 3e-3))
        assert trial.user_attrs["time [s]"] == pytest.approx(table.latency(trial.params))
        assert (trial.state is TrialState.PRUNED) == (trial.params["width"] == 64)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"at_most": "2 apples"}, "2 apples"),
        ({"at_most": 0.0}, "at_most is 0.0"),
        ({"table_spread": -1.0}, "table_spread is -1.0"),
    ],
)
def test_values_that_cannot_be_used_are_refused(table, options, words):
    with pytest.raises(UsageError, match=words):
        Latency(table, **options)


def test_networks_that_cannot_be_told_are_refused(table, trial):
    with pytest.raises(UsageError, match="needs a limit"):
        Latency(table).constrain(trial, {"width": 32})
    with pytest.raises(UsageError, match="a mapping of choices to options"):
        Latency(table).seconds(trial, "torchvision:resnet18")
    with pytest.raises(UnknownName, match="33"):
        Latency(table).seconds(trial, {"width": 33})


def test_a_limit_of_microseconds_may_be_a_number():
    # Python writes it as 5e-05.
    assert Latency(Predictor(), 50e-6).at_most_s == 50e-6
