"""Settings and the learning rate over a training."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.errors import UsageError
from hwnas.training.schedule import learning_rate
from hwnas.training.settings import TrainingSettings


@given(st.integers(1, 500), st.floats(0, 0.9), st.floats(1e-4, 10))
def test_the_rate_rises_to_its_peak_and_falls_towards_nothing(steps: int, warmup: float, peak: float) -> None:
    rates = [learning_rate(step, steps, peak, warmup) for step in range(steps)]
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(peak)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    # One step after the last there is nothing left.
    assert learning_rate(steps, steps, peak, warmup) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epochs": 0}, "setting epochs is 0"),
        ({"epochs": 2.5}, "epochs as a whole number"),
        ({"epochs": True}, "epochs is True"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"momentum": 0}, "momentum"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"warmup": "a tenth"}, "warmup is 'a tenth'"),
        ({"patience": 0}, "patience"),
    ],
)
def test_values_out_of_range_are_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TrainingSettings(**given)


def test_settings_suit_the_number_of_images() -> None:
    """As docs/training.md says: an epoch of at most 8000 images, about 40 000 in all, small data 15 times."""
    found = {count: TrainingSettings.for_images(count) for count in (2, 500, 1000, 1024, 5000, 50_000)}
    assert [s.epoch_images for s in found.values()] == [2, 500, 1000, 1024, 5000, 8000]
    assert [s.epochs for s in found.values()] == [15, 15, 15, 15, 8, 5]
    assert [s.batch for s in found.values()] == [16, 16, 32, 64, 64, 64]
    own = TrainingSettings.for_images(50_000, epoch_images=50_000, weight_decay=0.0)
    assert (own.epoch_images, own.weight_decay) == (50_000, 0.0)
    with pytest.raises(UsageError, match=r"no setting 'lr'.*learning_rate"):
        TrainingSettings.for_images(1000, lr=0.1)
