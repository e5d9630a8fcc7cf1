"""One-shot searches on real images: the heavier the penalty, the faster the network."""

from __future__ import annotations

import logging
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from hwnas import nni as bridge
from hwnas.core.errors import OutOfMemory, TrainingDiverged, UnknownName, UsageError
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.workloads.spaces.pattern_space import PatternSpace, PatternStage

pytestmark = pytest.mark.usefixtures("needs_nni")

METHODS = ["darts", "gumbel", "proxyless"]
#: Names in NNI and in hwnas of the same strategy.
STRATEGIES = {"DARTS": "SteeredDARTS", "GumbelDARTS": "SteeredGumbelDARTS", "Proxyless": "SteeredProxyless"}
ABOUT = {"backend": "made:up", "host": "a made-up machine", "batch": 1}


@pytest.mark.parametrize("method", METHODS)
def test_a_heavier_penalty_yields_a_faster_network(
    small: PatternSpace, small_table: LatencyTable, digits: tuple[torch.Tensor, torch.Tensor], method: str
) -> None:
    free, light, heavy = (
        bridge.search_one_shot(
            small, small_table, *digits, method=method, scale=scale, epochs=3, choice_learning_rate=0.1, seed=2
        )
        for scale in (0.0, 0.1, 10.0)
    )
    assert heavy.expected_s < light.expected_s < free.expected_s
    assert heavy.latency_s < free.latency_s
    assert heavy.architecture == small.canonical(small_table.fastest()[0])
    for found in (free, light, heavy):
        assert found.latency_s == small_table.latency(found.architecture)
        assert found.epochs[-1].loss < found.epochs[0].loss
        assert [epoch.number for epoch in found.epochs] == [1, 2, 3]
        assert all(sum(p.values()) == pytest.approx(1) for p in found.probabilities.values())


def test_ctrl_c_comes_out_as_such_and_stays_heard(
    small: PatternSpace, small_table: LatencyTable, digits: tuple[torch.Tensor, torch.Tensor]
) -> None:
    def interrupted(epoch: object) -> None:
        raise KeyboardInterrupt

    images, labels = (part[:128] for part in digits)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        bridge.search_one_shot(small, small_table, images, labels, epochs=2, told=interrupted)
    assert signal.getsignal(signal.SIGINT) == before


def test_the_same_seed_finds_the_same_and_draws_nothing_outside(
    small: PatternSpace, small_table: LatencyTable, digits: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, labels = (part[:128] for part in digits)
    state = torch.get_rng_state()
    told = []
    first, again, other = (
        bridge.search_one_shot(
            small, small_table, images, labels, method="proxyless", epochs=1, seed=seed, told=told.append
        )
        for seed in (0, 0, 1)
    )
    assert first == again != other
    assert told == [*first.epochs, *again.epochs, *other.epochs]
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_is_written_or_printed(
    small: PatternSpace,
    small_table: LatencyTable,
    digits: tuple[torch.Tensor, torch.Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    images, labels = (part[:128] for part in digits)
    bridge.search_one_shot(small, small_table, images, labels, epochs=2, warmup_epochs=1)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())
    assert logging.getLogger("nni").level == logging.INFO


def test_what_does_not_fit_is_refused(
    small: PatternSpace, small_table: LatencyTable, digits: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, labels = digits
    with pytest.raises(UnknownName, match=r"one-shot method 'dart'.*darts"):
        bridge.search_one_shot(small, small_table, images, labels, method="dart")
    with pytest.raises(UsageError, match=r"shape \(640, 8, 8\), but the space small takes 1x8x8"):
        bridge.search_one_shot(small, small_table, images[:, 0], labels)
    with pytest.raises(UsageError, match=r"labels have type torch.float32 and shape \(640,\)"):
        bridge.search_one_shot(small, small_table, images, labels.float())
    with pytest.raises(UsageError, match=r"labels run from 1 to 10, but the space small has 10 classes"):
        bridge.search_one_shot(small, small_table, images, labels + 1)
    with pytest.raises(UsageError, match=r"the batch is 64 of 100 images"):
        bridge.search_one_shot(small, small_table, images[:100], labels[:100])
    with pytest.raises(UsageError, match=r"the scale of the penalty is -1"):
        bridge.search_one_shot(small, small_table, images, labels, scale=-1)
    with pytest.raises(UsageError, match=r"weights alone would learn in 20 of 20 epochs"):
        bridge.search_one_shot(small, small_table, images, labels, warmup_epochs=20)
    with pytest.raises(UsageError, match=r"choice_learning_rate is -0\.1"):
        bridge.search_one_shot(small, small_table, images, labels, choice_learning_rate=-0.1)
    broken = images.clone()
    broken[3, 0, 2, 2] = float("nan")
    with pytest.raises(UsageError, match=r"images hold values that are not finite"):
        bridge.search_one_shot(small, small_table, broken, labels)
    name = next(iter(small_table.choices))
    lacking = LatencyTable({name: small_table.choices[name]}, [], 1e-3, **ABOUT)
    with pytest.raises(UsageError, match=r"the latency table is not one of the space small"):
        bridge.search_one_shot(small, lacking, images, labels)
    with pytest.raises(UsageError, match=r"parts of the nasbench201 space nasbench201 do not"):
        bridge.SupernetSpace("nasbench201")


def test_images_may_be_of_double_precision_and_a_divergence_is_told(
    small: PatternSpace, small_table: LatencyTable, digits: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, labels = (part[:128] for part in digits)
    found = bridge.search_one_shot(small, small_table, images.double(), labels, epochs=1)
    assert found == bridge.search_one_shot(small, small_table, images, labels, epochs=1)
    with pytest.raises(TrainingDiverged, match=r"diverged.*Give a lower learning_rate"):
        bridge.search_one_shot(small, small_table, images, labels, epochs=3, learning_rate=1e30)


def test_too_little_memory_is_told_before_training(
    small: PatternSpace,
    small_table: LatencyTable,
    digits: tuple[torch.Tensor, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import hwnas.nni_bridge.one_shot

    needed = bridge.SupernetSpace(small).training_bytes
    assert needed(64, mixed=True) == 64 * needed(1, mixed=True) > 64 * needed(1, mixed=False)
    free = needed(64, mixed=True) - 1
    monkeypatch.setattr(hwnas.nni_bridge.one_shot, "available_memory_bytes", lambda: free)
    with pytest.raises(
        OutOfMemory, match=r"the supernet of small takes about .* MiB for 64 images, and .* are free"
    ):
        bridge.search_one_shot(small, small_table, *digits)
    images, labels = (part[:128] for part in digits)
    bridge.search_one_shot(small, small_table, images, labels, method="proxyless", epochs=1)


def own_model_space(mixed: bool):
    """A user's own: a layer choice, a number of blocks, and, where `mixed`, a number of channels."""
    import nni
    from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, Repeat

    class Own(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.layer = LayerChoice(
                {"c1": nn.Conv2d(1, 4, 1), "c5": nn.Conv2d(1, 4, 5, padding=2)}, label="layer"
            )
            self.blocks = Repeat(lambda index: nn.Conv2d(4, 4, 1), nni.choice("depth", [1, 2, 3]))
            if mixed:
                self.wide = MutableConv2d(4, nni.choice("width", [4, 8]), 1)

    return Own()


def own_table(mixed: bool) -> LatencyTable:
    choices = {"layer": ["c1", "c5"], "depth": [1, 2, 3], **({"width": [4, 8]} if mixed else {})}
    factors = [Factor("layer", "layer", [1e-3, 9e-3]), Factor("depth", "depth", [1e-3, 2e-3, 3e-3])]
    factors += [Factor("width", ("width", "depth"), [[0.0, 1e-3, 1e-3], [4e-3, 4e-3, 4e-3]])] if mixed else []
    return LatencyTable(choices, factors, 1e-3, **ABOUT)


def penalty_of(strategy, model_space):
    """What the penalty of an untrained supernet adds to a loss of zero."""
    from nni.nas.evaluator.pytorch import LightningModule

    strategy.mutate_model(model_space)
    module = strategy.configure_oneshot_module(LightningModule())
    module.set_model(model_space)
    loss, _ = strategy.penalty(torch.zeros(()), module.export_probs())
    return loss


@pytest.mark.parametrize("name", STRATEGIES)
def test_nni_alone_gives_the_penalty_no_gradient_and_hwnas_does(name: str) -> None:
    import nni.nas.strategy

    mixed = name != "Proxyless"
    table = own_table(mixed)
    model_space = own_model_space(mixed)
    given = {"profiler": bridge.latency_profiler(table, model_space), "baseline": 1e-3, "scale": 2.0}
    if name != "Proxyless":
        # Proxyless makes tensors of the number of blocks, but not of the layers.
        alone = getattr(nni.nas.strategy, name)(penalty=given)
        assert not penalty_of(alone, own_model_space(mixed)).requires_grad

    strategy = getattr(bridge, STRATEGIES[name])(penalty=given)
    loss = penalty_of(strategy, model_space)
    uniform = float(table.expected({n: torch.full((len(o),), 1 / len(o)) for n, o in table.choices.items()}))
    if mixed:
        assert float(loss.detach()) == pytest.approx(2 * (uniform / 1e-3 - 1), rel=0.05)
    loss.backward()
    layer = strategy.probabilities()["layer"]
    assert list(layer) == ["c1", "c5"]
    slower = {label: alpha.grad for label, alpha in strategy._arch_parameters.items() if alpha.grad is not None}
    assert slower["layer"][1] > 0 > slower["layer"][0]
    if mixed:
        assert slower["depth"][2] > 0 > slower["depth"][0]
        assert slower["width"][1] > 0 > slower["width"][0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_other_profilers_of_nni_steer_as_well(name: str) -> None:
    from nni.mutable import MutableExpression
    from nni.nas.profiler import ExpressionProfiler

    class Sizes(ExpressionProfiler):
        def __init__(self, model_space) -> None:
            super().__init__(model_space)
            self.expression = MutableExpression.switch_case(
                model_space.simplify()["layer"], {"c1": 1.0, "c5": 25.0}
            )

    model_space = own_model_space(False)
    strategy = getattr(bridge, STRATEGIES[name])(penalty={"profiler": Sizes(model_space), "baseline": 1.0})
    penalty_of(strategy, model_space).backward()
    gradient = strategy._arch_parameters["layer"].grad
    assert gradient[1] > 0 > gradient[0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_likeliest_sample_of_inputs_and_depths_can_be_frozen(name: str) -> None:
    import nni
    from nni.nas.nn.pytorch import InputChoice, ModelSpace, Repeat

    class Own(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 3, padding=1)])
            self.inputs = InputChoice(2, 1, label="inputs")
            self.blocks = Repeat(lambda index: nn.Conv2d(1, 1, 1), nni.choice("depth", [1, 3]))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.blocks(self.inputs([layer(images) for layer in self.layers]))

    table = LatencyTable({"depth": [1, 3]}, [Factor("depth", "depth", [1e-3, 3e-3])], 0.0, **ABOUT)
    model_space = Own()
    given = {"profiler": bridge.latency_profiler(table, model_space), "baseline": 1e-3, "scale": 2.0}
    strategy = getattr(bridge, STRATEGIES[name])(penalty=given)
    penalty_of(strategy, model_space)
    # Depths between two options are none.
    depths = strategy.probabilities()["depth"]
    assert list(depths) == [1, 3]
    assert float(sum(depths.values()).detach()) == pytest.approx(1)
    sample = strategy.likeliest()
    assert sample["inputs"] in ([0], [1])
    assert Own().freeze(sample)(torch.zeros(1, 1, 4, 4)).shape == (1, 1, 4, 4)


def test_cells_whose_parameters_no_penalty_reaches_are_refused() -> None:
    from nni.nas.nn.pytorch import Cell, ModelSpace

    class Own(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            operators = {"c1": lambda *_: nn.Conv2d(1, 1, 1), "c3": lambda *_: nn.Conv2d(1, 1, 3, padding=1)}
            self.cell = Cell(operators, 2, 1, 1, "loose_end", label="cell")
            self.head = LayerChoice({"a": nn.Identity(), "b": nn.ReLU()}, label="head")

    from nni.nas.nn.pytorch import LayerChoice

    table = LatencyTable({"head": ["a", "b"]}, [Factor("head", "head", [1e-3, 2e-3])], 0.0, **ABOUT)
    given = {"profiler": bridge.latency_profiler(table, Own()), "baseline": 1e-3}
    with pytest.raises(
        UsageError, match=r"a Cell architecture parameters of its own, which no penalty reaches"
    ):
        bridge.SteeredDARTS(penalty=given).mutate_model(Own())
    strategy = bridge.SteeredDARTS()
    penalty_free = Own()
    strategy.mutate_model(penalty_free)


def test_a_supernet_space_freezes_to_our_network(small: PatternSpace) -> None:
    model_space = bridge.SupernetSpace(small)
    sample = {choice.name: choice.options[-1] for choice in small.choices}
    assert list(model_space.simplify()) == list(sample)
    assert repr(model_space.freeze(sample)) == repr(small.network(sample))
    assert model_space(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_choices_of_one_option_are_searched_too(digits: tuple[torch.Tensor, torch.Tensor]) -> None:
    space = PatternSpace("one", "", (1, 8, 8), 10, stages=(PatternStage(("standard",), (8,), (1,), (1, 3)),))
    table = LatencyTable(
        {c.name: c.options for c in space.choices}, [Factor("k", "stage1.kernel", [1e-3, 2e-3])], 0.0, **ABOUT
    )
    images, labels = (part[:128] for part in digits)
    found = bridge.search_one_shot(space, table, images, labels, scale=20, epochs=2, choice_learning_rate=0.3)
    assert found.architecture["stage1.kernel"] == 1
    assert found.probabilities["stage1.width"] == {8: 1.0}


def test_other_strategies_of_nni_are_refused(small: PatternSpace) -> None:
    from nni.nas.strategy import RandomOneShot

    with pytest.raises(UsageError, match=r"RandomOneShot cannot search a SupernetSpace"):
        RandomOneShot().mutate_model(bridge.SupernetSpace(small))


def test_a_penalty_needs_a_baseline(small: PatternSpace, small_table: LatencyTable) -> None:
    profiler = bridge.latency_profiler(small_table, bridge.SpaceModel(small))
    for baseline in (0, float("inf"), float("nan")):
        with pytest.raises(UsageError, match=rf"the baseline is {baseline}"):
            bridge.LatencyPenalty(profiler, baseline)
