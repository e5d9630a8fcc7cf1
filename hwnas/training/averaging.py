"""The average of a network over its training, which is told and kept in place of the network itself."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

#: The larger, the fewer of the last steps count: about one in `_ETA + 1` of all so far.
_ETA = 8


class WeightAverage:
    """Polynomial-decay average of a network's parameters and buffers over the steps of its training.

    While the learning rate is high, a network's accuracy goes up and down by much more than networks differ
    by; that of its average does not, so early epochs tell what a training will end with.

    Source: O. Shamir, T. Zhang, Stochastic Gradient Descent for Non-smooth Optimization, ICML 2013,
    arXiv:1212.1824, section 4.

    Args:
        network: That will be trained; it is copied.
    """

    def __init__(self, network: nn.Module) -> None:
        self._averaged = AveragedModel(network, avg_fn=_average, use_buffers=True)
        self.network.eval()

    @property
    def network(self) -> nn.Module:
        """The average, in eval mode; the untrained network before the first step."""
        module = self._averaged.module
        assert isinstance(module, nn.Module)
        return module

    def follow(self, network: nn.Module) -> None:
        """Take in one more step of the training."""
        self._averaged.update_parameters(network)

    def renew_statistics(self, batches: Iterable[torch.Tensor]) -> None:
        """Batch normalisation's mean and variance as they are with averaged weights.

        Averages of the statistics of other weights are far off now and then, and accuracies with them at chance
        level. Source: P. Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization,
        UAI 2018, arXiv:1803.05407, section 3.2.

        Args:
            batches: Normalised training images, as many at once as in training.
        """
        update_bn(batches, self.network)

    def go_on_at(self, steps: int) -> None:
        """Where an earlier run has stopped, :attr:`network` having been brought to what it was then.

        Args:
            steps: That it had followed.
        """
        self._averaged.n_averaged.fill_(steps)


def _average(average: torch.Tensor, current: torch.Tensor, steps: torch.Tensor | int) -> torch.Tensor:
    """The average after one more step.

    Args:
        average: Of the steps so far.
        current: After the step; a buffer that counts is taken over as it is.
        steps: So far; the first one is taken over by torch.
    """
    if not average.is_floating_point():
        return current
    return torch.lerp(average, current, (_ETA + 1) / (int(steps) + 1 + _ETA))
