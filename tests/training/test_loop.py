"""Training learns, repeats, survives a kill, and stops when it should."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_up_images import made_up_data, made_up_part, small_network
from torch import nn

from hwnas.core.errors import OutOfMemory, TrainingDiverged, UsageError
from hwnas.training.accuracy import EpochReport, Pruned
from hwnas.training.augmentation import Augmentation
from hwnas.training.image_data import ImageData
from hwnas.training.intervals import wilson
from hwnas.training.loop import Trained, accuracy_on, train
from hwnas.training.settings import TrainingSettings
from hwnas.training.weights import load_weights

SHORT = TrainingSettings(epochs=4, epoch_images=50, batch=16, learning_rate=0.05)

#: Trains as the tests do, and kills itself with SIGKILL after some steps.
KILLED = """
import os, signal, sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
from made_up_images import made_up_data, small_network
from test_loop import SHORT
from hwnas.training.loop import train

steps = int(sys.argv[3])
network = small_network(data := made_up_data(shift=1), dropout=0.3)

def count(module, *_):
    global steps
    if module is network and module.training:
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)

network.register_forward_hook(count)
train(network, data, SHORT, seed=3, checkpoint=Path(sys.argv[2]))
"""


def _train(
    data: ImageData, settings: TrainingSettings = SHORT, *, checkpoint: Path | None = None, seed: int = 3
) -> Trained:
    return train(small_network(data, dropout=0.3), data, settings, seed=seed, checkpoint=checkpoint)


def _same(one: Trained, other: Trained) -> bool:
    pairs = zip(one.network.state_dict().items(), other.network.state_dict().items(), strict=True)
    return all(name == same and torch.equal(tensor, twin) for (name, tensor), (same, twin) in pairs) and [
        (epoch.loss, epoch.accuracy) for epoch in one.history
    ] == [(epoch.loss, epoch.accuracy) for epoch in other.history]


def test_a_small_network_learns() -> None:
    data = made_up_data(300)
    trained = train(small_network(data), data, replace(SHORT, epochs=8))
    assert trained.accuracy.value > 0.9
    assert trained.history[0].loss > trained.history[-1].loss
    assert trained.accuracy.n_images == len(data.validation) == 60
    assert trained.accuracy.interval == wilson(trained.accuracy.value, 60)
    assert trained.accuracy.epochs == len(trained.history)
    assert not any(module.training for module in trained.network.modules())
    # What was told is what the network does, on images that it has never seen as well.
    assert accuracy_on(trained.network, data, data.validation).value == trained.accuracy.value
    assert accuracy_on(trained.network, data, data.test).value > 0.8


def test_the_seed_alone_decides(tmp_path: Path) -> None:
    data = made_up_data(shift=1)
    before = torch.get_rng_state()
    first = _train(data)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(7)
    assert _same(first, _train(data, checkpoint=tmp_path / "own"))
    assert not _same(first, _train(data, seed=4))


def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    data, file = made_up_data(shift=1), tmp_path / "runs" / "training.safetensors"
    here = str(Path(__file__).parent)
    # Three steps make an epoch: it is killed in its second.
    killed = subprocess.run([sys.executable, "-c", KILLED, here, str(file), "4"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert file.exists()
    # Half a file that was being written.
    (file.parent / f".part-{file.name}").write_bytes(b"half")
    told: list[EpochReport] = []
    network = small_network(data, dropout=0.3)
    resumed = train(network, data, SHORT, seed=3, checkpoint=file, report=told.append)
    assert [(epoch.epoch, epoch.replayed) for epoch in told] == [(n, n == 1) for n in (1, 2, 3, 4)]
    assert _same(resumed, _train(data))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_finished_training_is_read_and_not_repeated(tmp_path: Path) -> None:
    data, file = made_up_data(), tmp_path / "training.safetensors"
    trained = _train(data, checkpoint=file)
    calls: list[int] = []
    network = small_network(data, seed=9)
    network.register_forward_hook(lambda module, *_: calls.append(1) if module.training else None)
    told: list[EpochReport] = []
    again = train(network, data, SHORT, seed=3, checkpoint=file, report=told.append)
    assert _same(trained, again)
    assert again.accuracy == trained.accuracy
    assert not calls
    assert all(epoch.replayed for epoch in told)
    assert len(told) == SHORT.epochs
    # The file is one of weights.
    other = small_network(data, seed=11)
    assert load_weights(other, file)["best_epoch"] == trained.best_epoch
    assert accuracy_on(other, data, data.validation).value == trained.accuracy.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 4}, "its seed differs"),
        ({"settings": replace(SHORT, epochs=5)}, "its settings differs"),
        ({"data": made_up_data(shift=1)}, "its data differs"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    file = tmp_path / "training.safetensors"
    _train(made_up_data(), checkpoint=file)
    arguments = {"data": made_up_data(), "seed": 3, "checkpoint": file, **change}
    with pytest.raises(UsageError, match=words):
        _train(**arguments)  # type: ignore[arg-type]


def test_a_checkpoint_of_another_network_or_of_nothing_is_refused(tmp_path: Path) -> None:
    data, file = made_up_data(), tmp_path / "training.safetensors"
    _train(data, checkpoint=file)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(UsageError, match=r"has a tensor 0\.weight, and the network has none"):
        train(wide, data, SHORT, seed=3, checkpoint=file)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UsageError, match="not a safetensors file"):
        _train(data, checkpoint=file)


def test_what_a_report_raises_ends_the_training_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    data, file = made_up_data(), tmp_path / "training.safetensors"

    def prune(epoch: EpochReport) -> None:
        if epoch.epoch == 2:
            raise Pruned("poor")

    with pytest.raises(Pruned, match="poor"):
        train(small_network(data, dropout=0.3), data, SHORT, seed=3, checkpoint=file, report=prune)
    assert _same(_train(data, checkpoint=file), _train(data))


def test_reports_tell_how_long_it_takes() -> None:
    data, told = made_up_data(), list[EpochReport]()
    trained = train(small_network(data), data, SHORT, report=told.append)
    assert [epoch.epochs for epoch in told] == [4] * 4
    assert [epoch.accuracy for epoch in told] == [epoch.accuracy for epoch in trained.history]
    assert told[-1].remaining_s == 0
    assert told[1].remaining_s == pytest.approx(told[1].elapsed_s)
    assert told[-1].elapsed_s == pytest.approx(trained.accuracy.seconds)


def test_a_training_that_stands_still_stops_and_keeps_its_best_epoch(tmp_path: Path) -> None:
    data = made_up_data()
    settings = replace(SHORT, epochs=30, patience=3, learning_rate=1e-7, warmup=0)
    trained = _train(data, settings, checkpoint=tmp_path / "own")
    assert len(trained.history) < 30
    accuracies = [epoch.accuracy for epoch in trained.history]
    first_best = accuracies.index(max(accuracies))
    assert len(accuracies) == first_best + 1 + 3
    assert accuracies[trained.best_epoch - 1] == max(accuracies) == trained.accuracy.value
    assert accuracy_on(trained.network, data, data.validation).value == max(accuracies)
    assert _same(_train(data, settings, checkpoint=tmp_path / "own"), trained)


class _Recorder(nn.Module):
    """Scores by a linear layer, and the first pixels of what it has seen in training."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Linear(64, 3)
        self.seen: list[list[float]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(images[:, 0, 0, 0].tolist())
        scores: torch.Tensor = self.scores(images.flatten(1))
        return scores


def test_all_images_are_seen_before_any_is_seen_again() -> None:
    data = made_up_data(50)
    data.train.images[:, 0, 0, 0] = torch.arange(len(data.train))
    network = _Recorder()
    train(network, data, TrainingSettings(epochs=6, epoch_images=20, batch=8, patience=9))
    # 30 images, in epochs of 20 and steps of 10.
    tried, *seen = network.seen
    assert len(tried) == 2  # before the first step, whether it can be trained
    assert [len(step) for step in seen] == [10] * 12
    flat = [pixel for step in seen for pixel in step]
    rounds = [flat[start : start + 30] for start in range(0, 120, 30)]
    assert all(len(set(images)) == 30 for images in rounds)
    assert rounds[0] != rounds[1]


class _Silent(nn.Module):
    """Weights, a bias and a norm that the loss does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.scores = nn.Linear(64, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.scores(self.norm(images).flatten(1))
        return scores * 0


def test_weights_decay_and_biases_and_norms_do_not() -> None:
    network = _Silent()
    nn.init.constant_(network.scores.bias, 0.5)
    weight = network.scores.weight.detach().clone()
    train(network, made_up_data(), replace(SHORT, weight_decay=0.1))
    assert (network.scores.weight.abs() < weight.abs()).all()
    assert (network.scores.bias == 0.5).all()
    assert (network.norm.weight == 1).all()


class _Overflowing(nn.Module):
    """For the exponent 0.5 finite scores, the gradient of which is not; for -1 not even those."""

    def __init__(self, exponent: float) -> None:
        super().__init__()
        self.scores = nn.Linear(64, 3)
        self.exponent = exponent

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        zero = (self.scores.weight.sum() * 0).abs() ** self.exponent
        scores: torch.Tensor = self.scores(images.flatten(1)) + zero
        return scores


def test_what_is_not_finite_ends_the_training() -> None:
    data = made_up_data()
    with pytest.raises(TrainingDiverged, match=r"diverged in epoch 1.*learning rate below 0\.05"):
        train(_Overflowing(0.5), data, SHORT)
    with pytest.raises(TrainingDiverged):
        train(_Overflowing(-1), data, SHORT)


def test_networks_that_do_not_fit_are_refused_before_they_are_trained() -> None:
    data = made_up_data()
    with pytest.raises(UsageError, match=r"output has the shape 2x4.*scores of shape 2x3"):
        train(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), data, SHORT)
    with pytest.raises(UsageError, match="cannot be trained on made-up: RuntimeError"):
        train(nn.Sequential(nn.Flatten(), nn.Linear(63, 3)), data, SHORT)


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(*_: object) -> torch.Tensor:
        return torch.empty(2**50)

    data = made_up_data()
    network = small_network(data)
    network.register_forward_pre_hook(lambda module, _: allocate() and None if module.training else None)
    with pytest.raises(OutOfMemory, match="does not fit into memory"):
        train(network, data, SHORT)


def test_too_little_memory_for_the_copies_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwnas.training.loop.WeightAverage", lambda network: torch.empty(2**50))
    data = made_up_data()
    with pytest.raises(OutOfMemory, match="does not fit into memory"):
        train(small_network(data), data, SHORT)


def test_augmentation_is_seen_in_training_and_nowhere_else() -> None:
    plain = made_up_data()
    part = made_up_part(3)
    moved = ImageData("", plain.train, plain.validation, plain.test, plain.class_names, Augmentation(shift=2))
    assert not _same(_train(plain), _train(moved))
    network = small_network(plain)
    assert accuracy_on(network, plain, part).value == accuracy_on(network, moved, part).value
