"""Networks are shrunk until a latency is within a limit."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest
import torch
from small_networks import IMAGES, Digits, macs_as_latency_s, mobile_network
from torch import nn

from hwnas.core.errors import TrainingDiverged, UsageError
from hwnas.netadapt.adapt import adapt
from hwnas.netadapt.choosing import granules
from hwnas.netadapt.progress import Adapted, Progress
from hwnas.netadapt.settings import NetAdaptSettings
from hwnas.netadapt.structure import Structure, pruned
from hwnas.workloads.randomness import seeded

FAST = NetAdaptSettings(reduction=0.15, short_steps=2, long_steps=3, candidates=2)


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits()


@pytest.fixture(scope="module")
def trained(digits: Digits) -> nn.Module:
    network = mobile_network()
    with seeded(0):
        assert digits.fine_tune(network, 100) > 0.85
    return network


@pytest.fixture(scope="module")
def first_s(trained: nn.Module) -> float:
    return macs_as_latency_s(trained)


def shrunk(network: nn.Module, limit_s: float, digits: Digits, **options: object) -> Adapted:
    settings = options.pop("settings", FAST)
    return adapt(network, IMAGES, macs_as_latency_s, limit_s, digits.fine_tune, settings, **options)  # type: ignore[arg-type]


def at_random(network: nn.Module, limit_s: float, seed: int) -> nn.Module:
    """Pruned by chance, in the same pieces, to the same latency."""
    draw = random.Random(seed)
    structure = Structure.of(network, (IMAGES,))
    sizes = granules(structure, FAST.granule)
    while macs_as_latency_s(network) > limit_s:
        group = draw.choice([g for g in structure.groups if len(g.channels) > sizes[g.name]])
        dropped = draw.sample(group.channels, sizes[group.name])
        network = pruned(network, structure, dropped)
        structure = structure.without_channels(dropped)
    return network


def test_the_limit_holds_and_the_network_is_better_than_one_pruned_at_random(
    trained: nn.Module, first_s: float, digits: Digits
) -> None:
    settings = NetAdaptSettings(reduction=0.25, short_steps=4, long_steps=30, candidates=5)
    found = shrunk(trained, 0.4 * first_s, digits, settings=settings)
    assert found.latency_s <= 0.4 * first_s
    assert macs_as_latency_s(found.network) == found.latency_s
    assert len(found.steps) > 1
    assert [s.latency_s for s in found.steps] == sorted((s.latency_s for s in found.steps), reverse=True)
    others = []
    for seed in range(3):
        other = at_random(trained, 0.4 * first_s, seed)
        with seeded(seed):
            # As many optimizer steps as the shrunk network has seen.
            others.append(digits.fine_tune(other, 4 * len(found.steps) + 30))
    assert found.accuracy > sum(others) / len(others)


def test_equal_seeds_give_equal_networks(trained: nn.Module, first_s: float, digits: Digits) -> None:
    one, same = (shrunk(trained, 0.8 * first_s, digits, seed=3) for _ in range(2))
    assert one.steps == same.steps
    assert one.accuracy == same.accuracy
    for tensor, other in zip(
        one.network.state_dict().values(), same.network.state_dict().values(), strict=True
    ):
        assert torch.equal(tensor, other)


def test_a_candidate_that_diverges_is_left_out(trained: nn.Module, first_s: float, digits: Digits) -> None:
    calls = 0

    def fine_tune(network: nn.Module, steps: int) -> float:
        nonlocal calls
        calls += 1
        if calls == 1 or calls > 90:
            raise TrainingDiverged("the loss is not finite")
        return digits.fine_tune(network, steps)

    found = adapt(trained, IMAGES, macs_as_latency_s, 0.9 * first_s, fine_tune, FAST)
    assert found.steps
    assert all(step.accuracy > 0 for step in found.steps)
    calls = 91
    with pytest.raises(TrainingDiverged, match="every candidate of step 1 diverged"):
        adapt(trained, IMAGES, macs_as_latency_s, 0.9 * first_s, fine_tune, FAST)


def test_a_network_that_holds_the_limit_is_not_made_worse(trained: nn.Module, first_s: float) -> None:
    def spoil(network: nn.Module, steps: int) -> float:
        with torch.no_grad():
            for parameter in network.parameters() if steps else ():
                parameter.zero_()
        return 0.1 if steps else 0.9

    found = adapt(trained, IMAGES, macs_as_latency_s, 2 * first_s, spoil, FAST)
    assert (found.steps, found.accuracy) == ((), 0.9)
    for tensor, other in zip(found.network.parameters(), trained.parameters(), strict=True):
        assert torch.equal(tensor, other)


class Killed(Exception):
    pass


def test_a_run_that_was_killed_goes_on(
    trained: nn.Module, first_s: float, digits: Digits, tmp_path: Path
) -> None:
    whole = shrunk(trained, 0.75 * first_s, digits)
    calls = 0
    # At a choice, between two candidates that are fine-tuned, and before the last fine-tuning.
    for stop in (2, 12, 0):

        def watch(progress: Progress, stop: int = stop) -> None:
            nonlocal calls
            calls += 1
            if calls == stop or (stop == 0 and progress.activity.startswith("last")):
                raise Killed

        with pytest.raises(Killed):
            shrunk(trained, 0.75 * first_s, digits, folder=tmp_path, watch=watch)
    resumed = shrunk(trained, 0.75 * first_s, digits, folder=tmp_path)
    assert resumed.steps == whole.steps
    assert resumed.accuracy == whole.accuracy
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], tensor)
    digits.calls.clear()
    again = shrunk(trained, 0.75 * first_s, digits, folder=tmp_path)
    assert digits.calls == []
    assert again.accuracy == whole.accuracy
    assert sorted(path.name for path in tmp_path.iterdir()) == ["netadapt.json", "step-last.safetensors"]


def test_another_run_is_refused(trained: nn.Module, first_s: float, digits: Digits, tmp_path: Path) -> None:
    shrunk(trained, first_s, digits, folder=tmp_path)
    with pytest.raises(UsageError, match="its seed differ"):
        shrunk(trained, first_s, digits, folder=tmp_path, seed=1)
    (tmp_path / "netadapt.json").write_text("[]")
    with pytest.raises(UsageError, match="cannot be read"):
        shrunk(trained, first_s, digits, folder=tmp_path)


def test_without_training_the_weights_that_stay_are_the_old_ones(trained: nn.Module, first_s: float) -> None:
    found = adapt(trained, IMAGES, macs_as_latency_s, 0.5 * first_s, lambda network, steps: 0.5, FAST)
    structure = Structure.of(trained, (IMAGES,))
    dropped = [channel for step in found.steps for channel in step.dropped]
    for name, tensor in pruned(trained, structure, dropped).state_dict().items():
        assert torch.equal(found.network.state_dict()[name], tensor)


def test_candidates_that_learn_better_are_kept(trained: nn.Module, first_s: float) -> None:
    """The accuracy alone decides between candidates."""

    def dislikes_the_stem(network: nn.Module, steps: int) -> float:
        return network[0][0].out_channels / 16  # type: ignore[index,operator,return-value]

    found = adapt(trained, IMAGES, macs_as_latency_s, 0.8 * first_s, dislikes_the_stem)
    assert {step.group for step in found.steps}.isdisjoint({"0.0"})
    assert all(step.tried > 1 for step in found.steps)


def test_candidates_of_a_step_see_the_same_images_and_steps_see_others(
    trained: nn.Module, first_s: float
) -> None:
    drawn: dict[str, set[int]] = {}
    now = [""]

    def watch(progress: Progress) -> None:
        last = progress.activity.startswith("last")
        now[0] = "last" if last else str(progress.step)

    def fine_tune(network: nn.Module, steps: int) -> float:
        drawn.setdefault(now[0], set()).add(int(torch.randint(2**40, ())))
        return 0.5

    found = adapt(trained, IMAGES, macs_as_latency_s, 0.6 * first_s, fine_tune, FAST, watch=watch)
    assert len(drawn) == len(found.steps) + 1 > 2
    assert all(step.tried > 1 for step in found.steps)
    assert all(len(numbers) == 1 for numbers in drawn.values())
    assert len(set.union(*drawn.values())) == len(drawn)


def test_progress_tells_where_it_stands(trained: nn.Module, first_s: float, digits: Digits) -> None:
    told: list[Progress] = []
    found = shrunk(trained, 0.7 * first_s, digits, watch=told.append)
    assert told[0].latency_s == told[0].first_s == first_s
    assert told[0].remaining_s is None
    assert told[-1].activity == "last fine-tuning"
    assert max(p.step for p in told) == len(found.steps) + 1
    assert any(p.remaining_s is not None and p.remaining_s > 0 for p in told)


def test_a_network_within_the_limit_is_only_fine_tuned(
    trained: nn.Module, first_s: float, digits: Digits
) -> None:
    before = copy.deepcopy(trained.state_dict())
    digits.calls.clear()
    found = shrunk(trained, first_s, digits)
    assert found.steps == ()
    assert digits.calls == [0, FAST.long_steps]
    for name, tensor in before.items():
        assert torch.equal(trained.state_dict()[name], tensor)


@pytest.mark.parametrize(("share", "said"), [(0.001, "cannot be reached"), (0.0, "not above 0")])
def test_limits_that_cannot_hold_are_told_before_training(
    trained: nn.Module, first_s: float, digits: Digits, share: float, said: str
) -> None:
    digits.calls.clear()
    with pytest.raises(UsageError, match=said):
        shrunk(trained, share * first_s, digits)
    assert digits.calls == []


def test_a_latency_that_does_not_fall_ends_the_run(trained: nn.Module, digits: Digits) -> None:
    def latency_s(network: nn.Module) -> float:
        # Only the smallest network of all is any faster.
        return 1.0 if sum(p.numel() for p in network.parameters()) > 5000 else 0.1

    with pytest.raises(UsageError, match="no group of channels makes it faster"):
        adapt(trained, IMAGES, latency_s, 0.5, digits.fine_tune, FAST)


def test_a_network_without_channels_is_refused(digits: Digits) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with pytest.raises(UsageError, match="no channels that can be pruned"):
        adapt(network, IMAGES, lambda network: 1.0, 0.5, digits.fine_tune)


@pytest.mark.parametrize(
    ("name", "value"),
    [("reduction", 0.0), ("decay", 1.5), ("granule", 6), ("candidates", 0), ("short_steps", -1)],
)
def test_settings_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        NetAdaptSettings(**{name: value})  # type: ignore[arg-type]
