"""How networks are trained."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from hwnas.core.errors import UsageError

#: Images that a training sees by default, each as often as it comes: about a minute of a small network.
_IMAGES_SEEN = 40_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 5, 15
_EPOCH_IMAGES = 8_000
#: Steps of an epoch below which batches become smaller.
_FEWEST_STEPS = 16
_BATCH, _SMALLEST_BATCH = 64, 16


@dataclass(frozen=True)
class TrainingSettings:
    """Stochastic gradient descent with Nesterov's momentum, a warm-up and a cosine.

    Args:
        epochs: Of a training that does not stop early; the budget.
        epoch_images: Images of an epoch. Where there are more, an epoch goes on where the last one has ended,
            and all are seen before any is seen again.
        batch: Images of a step, at least.
        learning_rate: At the end of the warm-up; afterwards it follows half a cosine down to 0.
            Source: I. Loshchilov, F. Hutter. SGDR. ICLR 2017, arXiv:1608.03983, equation 5.
        warmup: Share of all steps in which the learning rate rises.
            Source: P. Goyal et al. Accurate, Large Minibatch SGD. 2017, arXiv:1706.02677, section 2.2.
        momentum: Nesterov's. Source: I. Sutskever et al. On the importance of initialization and momentum in
            deep learning. ICML 2013, section 2.
        weight_decay: Of weights of convolutions and linear layers; scales, shifts and biases have none.
            Source: T. He et al. Bag of Tricks. CVPR 2019, arXiv:1812.01187, section 3.1.
        label_smoothing: Share of the probability that is spread over all classes.
            Source: C. Szegedy et al. Rethinking the Inception Architecture. CVPR 2016, section 7.
        clip_norm: A longer gradient is shortened to this length.
            Source: R. Pascanu, T. Mikolov, Y. Bengio. On the difficulty of training recurrent neural networks.
            ICML 2013, arXiv:1211.5063, algorithm 1.
        patience: Epochs without a better validation accuracy after which a training stops.

    Raises:
        UsageError: A value is out of range; the message names it.
    """

    epochs: int = 10
    epoch_images: int = _EPOCH_IMAGES
    batch: int = _BATCH
    learning_rate: float = 0.1
    warmup: float = 0.15
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    clip_norm: float = 5.0
    patience: int = 8

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            low, high = _RANGES[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise UsageError(f"the setting {name} is {value!r}", f"Give {name} from {low} to {high}")
            if isinstance(getattr(TrainingSettings, name), int) and not isinstance(value, int):
                raise UsageError(f"the setting {name} is {value!r}", f"Give {name} as a whole number")

    @classmethod
    def for_images(cls, count: int, **given: Any) -> TrainingSettings:
        """Settings for so many training images.

        Args:
            count: Training images.
            **given: Settings that are not left to us.

        Raises:
            UsageError: A value is out of range, or there is no such setting.
        """
        for name in given:
            if name not in _RANGES:
                known = ", ".join(field.name for field in fields(cls))
                raise UsageError(f"there is no setting {name!r}", f"Known: {known}")
        images = min(count, given.get("epoch_images", _EPOCH_IMAGES))
        epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_IMAGES_SEEN / images)))
        batch = _BATCH
        while batch > _SMALLEST_BATCH and images < _FEWEST_STEPS * batch:
            batch //= 2
        return cls(**{"epochs": epochs, "epoch_images": images, "batch": batch, **given})


_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 100_000),
    "epoch_images": (2, 10**9),
    "batch": (1, 10**6),
    "learning_rate": (1e-8, 1e3),
    "warmup": (0, 0.9),
    "momentum": (1e-3, 0.9999),
    "weight_decay": (0, 1),
    "label_smoothing": (0, 0.9),
    "clip_norm": (1e-6, math.inf),
    "patience": (1, 100_000),
}
