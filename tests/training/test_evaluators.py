"""Those who tell accuracies: by training, by a user's function, from a table."""

from __future__ import annotations

import gzip
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_up_images import made_up_data

from hwnas.core.errors import EvaluationFailed, UnknownName, UsageError
from hwnas.core.workload import Workload
from hwnas.testing.accuracy_contract import AccuracyEvaluatorContract
from hwnas.training.accuracy import Accuracy, AccuracyEvaluator, EpochReport, Pruned
from hwnas.training.datasets import load_data
from hwnas.training.evaluators import find_evaluator
from hwnas.training.image_data import ImageData
from hwnas.training.loop import accuracy_on
from hwnas.training.networks import space_for, trainable_network
from hwnas.training.own_function import OwnEvaluator
from hwnas.training.settings import TrainingSettings
from hwnas.training.tabular import TabularEvaluator
from hwnas.training.trained import TrainedEvaluator
from hwnas.training.weights import load_weights
from hwnas.workloads.models import parse_model
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_workload

SMALL = "standard,16,1,3+grouped,32,1,3+depthwise_separable,64,1,3"
QUICK = TrainingSettings(epochs=3, epoch_images=40, batch=20, learning_rate=0.05)

#: Functions of a user's own.
CODE = """
from hwnas.training.accuracy import Accuracy

def plain(network, seed, epochs, report):
    parameters = sum(p.numel() for p in network.parameters())
    for epoch in range(1, (epochs or 2) + 1):
        report(epoch, epoch / 100)
    return 0.5 + (parameters + seed) % 7 / 100

def of_choices(architecture, factor=0.01):
    return architecture["stage1.width"] * factor

def whole(workload):
    return Accuracy(0.75, 4, (0.3, 0.95), 12, 3.5)

def anything(**everything):
    assert not everything
    return 1

def in_percent(seed):
    return 91.5

def nothing():
    return None

def fails(seed):
    raise KeyError("the\\nlabels")

def no_number():
    return float("nan")

class MyError(Exception):
    pass

def own_error():
    raise MyError("out of licences")

def reports_no_number(report):
    report(1, 0.5)
    report(2, float("nan"))
    return 0.5

def reports_percent(report):
    report(1, 91.5)
    return 0.9

def reports_before_the_first(report):
    report(-1, 0.5)
    return 0.9

def passes_on(report):
    report(1, 0.5)
    return 0.9

def asks(network, budget):
    return 0.5

number = 3
"""


@pytest.fixture
def small(tmp_path: Path) -> tuple[ImageData, Workload]:
    """Data, and a network for them."""
    data = made_up_data()
    space = space_for("patterns", data)
    return data, space_workload(space, space.parse(SMALL))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the user's module, and everything forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    (tmp_path / "my_accuracy.py").write_text(CODE)
    monkeypatch.delitem(sys.modules, "my_accuracy", raising=False)
    return tmp_path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two architectures, in percent."""
    path = tmp_path / "table.csv"
    path.write_text(f'name,top1,ms\n"{SMALL}",91.25,3\nother,50,4\n')
    return path


class TestTrained(AccuracyEvaluatorContract):
    @pytest.fixture
    def evaluator(self, small: tuple[ImageData, Workload]) -> AccuracyEvaluator:
        return TrainedEvaluator(small[0], QUICK)

    @pytest.fixture
    def workload(self, small: tuple[ImageData, Workload]) -> Workload:
        return small[1]


class TestKept(TestTrained):
    @pytest.fixture
    def evaluator(self, small: tuple[ImageData, Workload], tmp_path: Path) -> AccuracyEvaluator:
        return TrainedEvaluator(small[0], QUICK, tmp_path, part="test")


class TestOwn(AccuracyEvaluatorContract):
    @pytest.fixture
    def evaluator(self, own: Path) -> AccuracyEvaluator:
        return find_evaluator("my_accuracy:plain")

    @pytest.fixture
    def workload(self, small: tuple[ImageData, Workload]) -> Workload:
        return small[1]


class TestTabular(AccuracyEvaluatorContract):
    reports = False

    @pytest.fixture
    def evaluator(self, table: Path) -> AccuracyEvaluator:
        return find_evaluator(f"table:{table},architecture=name,accuracy=top1,unit=percent")

    @pytest.fixture
    def workload(self, small: tuple[ImageData, Workload]) -> Workload:
        return small[1]


def test_a_space_for_the_images_of_data_is_rebuilt_from_its_workload() -> None:
    data = load_data()
    space = space_for("patterns", data)
    assert (space.input_shape, space.classes) == ((1, 8, 8), 10)
    workload = space_workload(space, space.sample(random.Random(1)))
    first, again, other = (
        trainable_network(Workload.from_dict(workload.to_dict()), data, seed).state_dict() for seed in (0, 0, 1)
    )
    name = "parts.stem.0.weight"
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])


def test_networks_for_other_images_are_refused() -> None:
    space = load_space("patterns")
    workload = space_workload(space, space.parse(SMALL))
    with pytest.raises(
        UsageError, match=r"images of 3x32x32 in 10 classes, and made-up has images of 1x8x8 in 3"
    ):
        TrainedEvaluator(made_up_data(), QUICK).evaluate(workload)
    with pytest.raises(UsageError, match="it is a torchvision workload"):
        TrainedEvaluator(made_up_data(), QUICK).evaluate(parse_model("torchvision:alexnet"))


def test_a_factory_is_trained_as_well(own: Path) -> None:
    (own / "my_network.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n"
    )
    found = TrainedEvaluator(made_up_data(), QUICK).evaluate(
        parse_model("my_network:net", input_shape=(1, 1, 8, 8)), epochs=2
    )
    assert found.epochs == 2


def test_what_was_trained_is_kept(small: tuple[ImageData, Workload], tmp_path: Path) -> None:
    data, workload = small
    evaluator = TrainedEvaluator(data, QUICK, tmp_path / "trials")
    told: list[EpochReport] = []
    found = evaluator.evaluate(workload, seed=2, epochs=2, report=told.append)
    # Measured at another batch it is the same network.
    again = evaluator.evaluate(
        replace(workload, input_shape=(8, 1, 8, 8), seed=5), seed=2, epochs=2, report=told.append
    )
    assert again == found
    assert [(epoch.epoch, epoch.replayed) for epoch in told] == [(1, False), (2, False), (1, True), (2, True)]
    file = evaluator.weights_file(workload, seed=2, epochs=2)
    assert file is not None
    network = trainable_network(workload, data, seed=0)
    record = load_weights(network, file)
    assert record["of"]["model"] == f"space:patterns@1x8x8-3:{SMALL}"
    assert record["of"]["settings"]["epochs"] == 2
    assert record["classes"] == list(data.class_names)
    assert (record["pixel_mean"], record["pixel_deviation"]) == (list(data.mean), list(data.deviation))
    assert accuracy_on(network, data, data.validation).value == found.value
    on_test = TrainedEvaluator(data, QUICK, tmp_path / "trials", part="test").evaluate(
        workload, seed=2, epochs=2
    )
    assert on_test.value == accuracy_on(network, data, data.test).value
    assert (on_test.epochs, on_test.seconds) == (found.epochs, found.seconds)
    assert TrainedEvaluator(data).weights_file(workload) is None


def test_a_function_gets_what_it_asks_for(own: Path, small: tuple[ImageData, Workload]) -> None:
    workload = small[1]
    assert OwnEvaluator("my_accuracy:of_choices").evaluate(workload).value == pytest.approx(0.16)
    assert OwnEvaluator("my_accuracy:whole").evaluate(workload) == Accuracy(0.75, 4, (0.3, 0.95), 12, 3.5)
    assert OwnEvaluator("my_accuracy:anything").evaluate(workload).value == 1
    plain = OwnEvaluator("my_accuracy:plain")
    assert plain.evaluate(workload, seed=1).value != plain.evaluate(workload, seed=2).value
    told: list[EpochReport] = []
    assert plain.evaluate(workload, epochs=4, report=told.append).epochs == 4
    assert [(epoch.epochs, epoch.accuracy) for epoch in told] == [(4, n / 100) for n in (1, 2, 3, 4)]
    assert told[-1].remaining_s == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my_accuracy:in_percent", r"91\.5 is not a share.*Divide percent by 100"),
        ("my_accuracy:nothing", "returned a NoneType"),
        ("my_accuracy:reports_percent", r"reported 91\.5 in epoch 1.*accuracies from 0 to 1"),
        ("my_accuracy:reports_before_the_first", r"reported 0\.5 in epoch -1.*epochs from 1 up"),
        ("my_accuracy:asks", "asks for 'budget'.*network, architecture, workload, seed, epochs, report"),
        ("my_accuracy:number", "is a int and cannot be called"),
        ("my_accuracy:other", "has no 'other'"),
        ("no_such_module:f", "no module 'no_such_module' for the accuracy"),
        ("train:fast", "takes nothing behind a colon"),
        ("train", "no images to train on"),
        ("trained", "Did you mean train"),
        ("table", "lacks its file or a column"),
        ("table:x.csv,architecture=a", "lacks its file or a column"),
        ("table:x.csv,architecture=a,accuracy=b", "x.csv cannot be read: No such file"),
        ("table:x.csv,architecture=a,acuracy=b", "unknown key of a table of accuracies 'acuracy'"),
    ],
)
def test_evaluators_that_cannot_be_used(
    own: Path, small: tuple[ImageData, Workload], name: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        find_evaluator(name).evaluate(small[1])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fails", "fails failed: KeyError: 'the"),
        ("own_error", "own_error failed: MyError: out of licences"),
        ("no_number", "no_number returned nan"),
        ("reports_no_number", "reports_no_number reported nan in epoch 2"),
    ],
)
def test_a_function_that_fails_on_a_network_may_go_well_on_others(
    own: Path, small: tuple[ImageData, Workload], name: str, words: str
) -> None:
    with pytest.raises(EvaluationFailed, match=words) as caught:
        OwnEvaluator(f"my_accuracy:{name}").evaluate(small[1])
    assert "\n" not in str(caught.value)


def test_what_the_listener_raises_comes_out_of_the_function(
    own: Path, small: tuple[ImageData, Workload]
) -> None:
    def give_up(told: EpochReport) -> None:
        raise Pruned("poor")

    with pytest.raises(Pruned, match="poor"):
        OwnEvaluator("my_accuracy:passes_on").evaluate(small[1], report=give_up)


def test_only_who_asks_for_a_seed_is_asked_with_several(own: Path, table: Path) -> None:
    assert OwnEvaluator("my_accuracy:plain").seeded
    assert not OwnEvaluator("my_accuracy:of_choices").seeded
    assert not TabularEvaluator(table, architecture="name", accuracy="top1", unit="percent").seeded


def test_a_table_is_exact(table: Path, small: tuple[ImageData, Workload]) -> None:
    data, workload = small
    evaluator = TabularEvaluator(table, architecture="name", accuracy="top1", unit="percent")
    assert len(evaluator) == 2
    assert evaluator.evaluate(workload) == Accuracy(0.9125)
    space = space_for("patterns", data)
    other = SMALL.replace("grouped", "standard")
    with pytest.raises(UsageError, match=r"has no architecture .*standard,32,1,3"):
        evaluator.evaluate(space_workload(space, space.parse(other)))
    packed = table.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(table.read_bytes()))
    again = TabularEvaluator(packed, architecture="name", accuracy="top1", unit="percent")
    assert again.evaluate(workload) == evaluator.evaluate(workload)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unknown column"),
        ("nome,top1\na,1\n", "unknown column of .* 'name'.*mean nome"),
        ("name,top1\n", "no line below its head"),
        ("name,top1\na,0.5\nb,high\n", r"line 3: the accuracy 'high' is not a number"),
        ("name,top1\na\n", r"line 2: the accuracy '' is not a number"),
        ("name,top1\na,nan\n", "line 2: the accuracy nan is out of range"),
        ("name,top1\na,91.5\n", "line 2: the accuracy 91.5 is out of range for the unit share"),
        ("name,top1\na,0.5\na,0.6\n", "line 3: another accuracy of 'a'"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        TabularEvaluator(path, architecture="name", accuracy="top1")
    assert str(path) in str(caught.value)


def test_a_table_that_a_spreadsheet_has_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("name,top1\r\na,0.5\r\n".encode("utf-8-sig"))
    assert len(TabularEvaluator(path, architecture="name", accuracy="top1")) == 1


def test_units_are_not_guessed(table: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean percent"):
        TabularEvaluator(table, architecture="name", accuracy="top1", unit="percents")
    packed = table.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(table.read_bytes())[:-9])
    with pytest.raises(UsageError, match="cannot be read"):
        TabularEvaluator(packed, architecture="name", accuracy="top1", unit="percent")


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan")])
def test_an_accuracy_is_a_share(value: float) -> None:
    with pytest.raises(UsageError, match="not a share from 0 to 1"):
        Accuracy(value)


def test_no_torch_is_needed_to_talk_of_accuracies() -> None:
    import subprocess

    code = "import hwnas.training.accuracy, hwnas.training.evaluators as e, sys; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "False\n"


@pytest.mark.parametrize(
    ("n_images", "interval", "said"),
    [
        (0, None, "counted on 0 images"),
        (10, (0.7, 0.3), "interval of the accuracy is"),
        (10, (float("nan"), 0.9), "interval of the accuracy is"),
        (None, (0.4, 1.2), "interval of the accuracy is"),
    ],
)
def test_what_is_said_of_an_accuracy_is_possible(
    n_images: int | None, interval: tuple[float, float] | None, said: str
) -> None:
    """Else a search would end with it, after all its trainings."""
    with pytest.raises(UsageError, match=said):
        Accuracy(0.5, n_images, interval)
