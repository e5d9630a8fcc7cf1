"""Our search spaces as NNI's model spaces, for strategies that try one network after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.workload import Scalar
from hwnas.nni_bridge.installed import ModelSpace, current_model, nni
from hwnas.nni_bridge.samples import architecture_of, found_space, options_by_label
from hwnas.workloads.spaces.space import Space


class SpaceModel(ModelSpace):
    """A space of ours as NNI's ``ModelSpace``: every choice is an ``nni.choice``, whose label is the choice's
    name.

    NNI makes it anew for each trial, with the trial's sample in force: then it is one network. By itself it
    holds no network, since which one is open.

    Args:
        space: A space, a shipped one's name, or the path of a user's file. In an experiment whose trials run in
            other processes, give the name or the path: NNI sends it along.
        build: Whether trials get the network; without, they know their architecture alone.

    Attributes:
        space: The space.
        architecture: Of a trial, in its canonical form; None outside of one.
        network: Of a trial, maps images ``(n, channels, height, width)`` to scores ``(n, classes)``; else None.

    Raises:
        UnknownName: No such space.
        UsageError: Its file cannot be used, or two options of a choice are equal to NNI.
    """

    architecture: dict[str, Scalar] | None
    network: nn.Module | None

    def __init__(self, space: Space | str, *, build: bool = True) -> None:
        super().__init__()
        self.space = found_space(space)
        self.architecture, self.network = None, None
        for label, options in options_by_label(self.space).items():
            self.add_mutable(nni.choice(label, options))
        sample = current_model()
        if sample is not None:
            self.architecture = architecture_of(self.space, sample)
            self.network = self.space.network(self.architecture) if build else None

    def freeze(self, sample: Mapping[str, Any]) -> nn.Module:
        """The network of a sample, with random weights from torch's global generator, in training mode.

        Args:
            sample: Choice -> option.

        Raises:
            SampleValidationError: Of NNI: not a sample of this space.
        """
        self.validate(sample)
        return self.space.network(architecture_of(self.space, sample))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """``(n, channels, height, width)`` to ``(n, classes)``.

        Raises:
            UsageError: It is not one network.
        """
        if self.network is None:
            raise UsageError(
                f"the model space {self.space.name} is many networks, and runs none of them",
                "Run what freeze(sample) gives",
            )
        scores: torch.Tensor = self.network(images)
        return scores
