"""A part of a space in all its options at once: what a supernet is made of.

Where options of a part differ in their channels, what flows between parts has as many channels as the widest:
narrower results are filled up with zeros, and narrower readers take the first channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn

from hwnas.core.errors import UsageError
from hwnas.workloads.spaces.space import Part, PartModule, Shape, Space
from hwnas.workloads.structure import structure_digest


class PartMixture(nn.Module):
    """The different modules of a part, and which of them each combination of options stands for.

    Combinations whose modules are alike, such as a block at depth 2 and at depth 3, share one.

    Args:
        space: Of the part.
        part: One that reads a single tensor.
        shape: What the part reads, without the batch; the widest.

    Attributes:
        choices: Names of the choices that the part depends on.
        shape: What it writes, without the batch; the widest.
        activations: For each module, how many values of one image training keeps.

    Raises:
        UsageError: The part reads several tensors, or its options write feature maps of different sizes.
    """

    numbers: Tensor

    def __init__(self, space: Space, part: Part, shape: Shape) -> None:
        super().__init__()
        self.choices = part.choices
        self._sizes = [len(space.choice(name).options) for name in part.choices]
        self._reads: list[int] = []
        self.activations: list[int] = []
        self.modules_ = nn.ModuleList()
        numbers: list[int] = []
        places: dict[str, int] = {}
        shapes: list[Shape] = []
        for options in space.combinations(part):
            with torch.device("meta"):
                found = space.part_module(part, options)
            key = "" if found is None else f"{structure_digest(found.module)} {found.input_shapes}"
            if key not in places:
                places[key] = len(places)
                written, kept = (shape, 0) if found is None else _written(part, found)
                shapes.append(written)
                self.activations.append(kept)
                self._reads.append(shape[0] if found is None else found.input_shapes[0][0])
                built = space.part_module(part, options)
                self.modules_.append(nn.Identity() if built is None else built.module)
            numbers.append(places[key])
        sides = {some[1:] for some in shapes}
        if len(sides) > 1:
            raise UsageError(
                f"options of the part {part.name} write feature maps of different sizes: {sorted(sides)}",
                "Search this space with a strategy that tries one network after the other",
            )
        self.shape: Shape = (max(some[0] for some in shapes), *sides.pop())
        # Row by row over the combinations of options.
        self.register_buffer("numbers", torch.tensor(numbers), persistent=False)

    def run(self, number: int, x: Tensor) -> Tensor:
        """The result of one of the modules, filled up with zeros.

        Args:
            number: Of the module.
            x: Shape ``(n, channels, ...)``, as wide as the part before writes.
        """
        y: Tensor = self.modules_[number](x[:, : self._reads[number]])
        missing = self.shape[0] - y.shape[1]
        return nn.functional.pad(y, [0, 0] * (y.ndim - 2) + [0, missing]) if missing else y

    def mixed(self, x: Tensor, probabilities: Mapping[str, Tensor]) -> Tensor:
        """The results of all modules, weighted by how likely the options are that stand for them.

        Args:
            x: Shape ``(n, channels, ...)``.
            probabilities: Choice -> shape ``(options,)``; choices are independent.

        Returns:
            Shape ``(n, *shape)``, differentiable in `x` and in the probabilities.
        """
        weights = self.weights(probabilities)
        mixed: Tensor = sum(weight * self.run(number, x) for number, weight in enumerate(weights))
        return mixed

    def weights(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """How likely each of the modules is, shape ``(modules,)``."""
        each = [probabilities[name] for name in self.choices]
        joint = reduce(
            lambda left, right: (left.unsqueeze(-1) * right).flatten(), each, _one(each, self.numbers)
        )
        return joint.new_zeros(len(self.modules_)).index_add(0, self.numbers, joint)

    def number(self, chosen: Mapping[str, int]) -> int:
        """The module of one combination of options.

        Args:
            chosen: Choice -> its option, counted from 0.
        """
        row = 0
        for name, size in zip(self.choices, self._sizes, strict=True):
            row = row * size + chosen[name]
        return int(self.numbers[row])

    def alternatives(self, chosen: Mapping[str, int], name: str) -> list[int]:
        """The modules for every option of one choice, the others as chosen.

        Args:
            chosen: Choice -> its option, counted from 0.
            name: A choice of the part.
        """
        size = self._sizes[self.choices.index(name)]
        return [self.number({**chosen, name: option}) for option in range(size)]


def _one(each: Sequence[Tensor], numbers: Tensor) -> Tensor:
    return each[0].new_ones(1) if each else torch.ones(1, device=numbers.device)


def _written(part: Part, found: PartModule) -> tuple[Shape, int]:
    """What a module on the meta device writes, without the batch, and how many values training keeps."""
    if len(found.input_shapes) != 1:
        raise UsageError(
            f"the part {part.name} reads {len(found.input_shapes)} tensors",
            "Search this space with a strategy that tries one network after the other",
        )
    # The channels that it reads are copied out of wider ones.
    kept = [math.prod(found.input_shapes[0])]
    for layer in found.module.modules():
        # Activations work in place: they keep what the normalisation before them has written.
        if not list(layer.children()) and not getattr(layer, "inplace", False):
            layer.register_forward_hook(lambda layer, x, y: kept.append(y.numel()))
    with torch.no_grad():
        y: Tensor = found.module.eval()(torch.empty(1, *found.input_shapes[0], device="meta"))
    return tuple(y.shape[1:]), sum(kept)


class MixtureChain(nn.Module):
    """The parts of a space, one after the other, each in all its options.

    Args:
        space: Whose parts follow one another, such as one of the kinds ``patterns`` and ``mbconv``.

    Raises:
        UsageError: They do not, or options of a part write feature maps of different sizes.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        if type(space).wiring is not Space.wiring:
            raise UsageError(
                f"the parts of the {space.kind} space {space.name} do not simply follow one another",
                "One-shot searches take spaces of the kinds patterns and mbconv",
            )
        parts: list[PartMixture] = []
        shape: Shape = space.input_shape
        for part in space.parts():
            parts.append(PartMixture(space, part, shape))
            shape = parts[-1].shape
        self.parts = nn.ModuleList(parts)
        self.options = {choice.name: choice.options for choice in space.choices}

    def training_bytes(self, batch: int, *, mixed: bool) -> int:
        """About how much memory the activations of a training step take [bytes].

        Args:
            batch: Images in the step.
            mixed: Whether all options run, or one of each choice.
        """
        values = 0
        for part in mixtures(self.parts):
            # What is weighted is as wide as the widest.
            each = [kept + math.prod(part.shape) for kept in part.activations]
            values += sum(each) if mixed else max(each)
        return batch * values * torch.float32.itemsize

    def forward(self, images: Tensor) -> Tensor:
        """The network of all first options, ``(n, channels, height, width)`` to ``(n, classes)``."""
        first = dict.fromkeys(self.options, 0)
        for part in mixtures(self.parts):
            images = part.run(part.number(first), images)
        return images


def mixtures(parts: nn.ModuleList) -> list[PartMixture]:
    """The parts of a :class:`MixtureChain`, typed."""
    return cast(list[PartMixture], list(parts))
