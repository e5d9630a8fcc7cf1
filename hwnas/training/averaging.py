"""The average of a network over its training, which is told and kept in place of the network itself."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel

from hwnas.core.errors import UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line, is_out_of_memory

#: The larger, the fewer of the last steps count: about one in `_ETA + 1` of all so far.
_ETA = 8


class WeightAverage:
    """Polynomial-decay average of a network's parameters over the steps of its training.

    While the learning rate is high, a network's accuracy goes up and down by much more than networks differ
    by; that of its average does not, so early epochs tell what a training will end with. Buffers are not
    averaged: a mask may be infinite, and a vector that an operator keeps of length 1 would lose it.

    Source: O. Shamir, T. Zhang, Stochastic Gradient Descent for Non-smooth Optimization, ICML 2013,
    arXiv:1212.1824, section 4.

    Args:
        network: That will be trained; it is copied.

    Raises:
        UsageError: It cannot be copied.
    """

    def __init__(self, network: nn.Module) -> None:
        try:
            self._averaged = AveragedModel(network, avg_fn=_average)
        except FOREIGN_CODE_ERRORS as error:
            if is_out_of_memory(error):
                raise
            raise UsageError(
                f"the network cannot be trained, since it cannot be copied: {in_one_line(error)}",
                "Keep in it what copy.deepcopy takes",
            ) from error
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

        Statistics of other weights are far off now and then, and accuracies with them at chance level. Those of
        layers that stay in eval mode while a network is trained are nobody's to renew.

        Source: P. Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization,
        UAI 2018, arXiv:1803.05407, section 3.2.

        Args:
            batches: Normalised training images, as many at once as in training.
        """
        network = self.network.train()
        norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.training]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            # The mean over all batches.
            norm.momentum = None
        with torch.no_grad():
            for images in batches if norms else ():
                network(images)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.eval()

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
        current: After the step; what is no floating-point number is taken over as it is.
        steps: So far; the first one is taken over by torch.
    """
    if not average.is_floating_point():
        return current
    return torch.lerp(average, current, (_ETA + 1) / (int(steps) + 1 + _ETA))
