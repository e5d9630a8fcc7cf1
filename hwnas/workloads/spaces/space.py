"""A search space: its choices, its parts, and the network of every architecture.

An architecture says one option for every choice. A part is a piece of the network that depends on some of
the choices only, so that a table over the combinations of a part's choices tells of networks by the million: a
network is nothing but its parts, wired together.

Nothing here imports torch before a module is asked for.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Scalar, canonical_json
from hwnas.workloads.spaces.cell_graph import CellGraph
from hwnas.workloads.spaces.choice import Architecture, Choice, option_text

if TYPE_CHECKING:
    from torch import nn

#: Without the batch; ``(channels, height, width)`` for images.
Shape = tuple[int, ...]

#: What parts read that read the network's input.
IMAGES = "images"

#: More combinations of a part's choices than these make a table of parts larger than it is worth.
MOST_COMBINATIONS = 5000

_DIGITS = 16


@dataclass(frozen=True)
class Part:
    """A piece of the network.

    Args:
        name: Unique in its space; also the name of the module in the network.
        choices: Names of the choices that it depends on; none for a part that is the same in all networks.
    """

    name: str
    choices: tuple[str, ...] = ()


class PartModule(NamedTuple):
    """A part for given options.

    Args:
        module: In training mode, with PyTorch's own initialisation.
        input_shapes: Of the tensors that it reads, without the batch.
    """

    module: nn.Module
    input_shapes: tuple[Shape, ...]


class Step(NamedTuple):
    """How a part stands in a network.

    Args:
        part: Its name.
        reads: Names of the parts whose results it takes, in order; :data:`IMAGES` is the network's input.
            Where nothing runs, the first of them goes on unchanged.
    """

    part: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Space(ABC):
    """A search space.

    Args:
        name: A shipped space's name, or the path of a user's file.
        title: One line for people.
        input_shape: ``(channels, height, width)`` of an image.
        classes: Scores that a network gives for an image.
    """

    name: str
    title: str
    input_shape: tuple[int, int, int]
    classes: int

    #: As the files of such spaces write it.
    kind: ClassVar[str]
    #: Raised where the same definition builds other networks than before.
    revision: ClassVar[int] = 1

    @abstractmethod
    def _choices(self) -> Iterable[Choice]:
        """In the order of the compact text."""

    @abstractmethod
    def _parts(self) -> Iterable[Part]:
        """In order of execution."""

    @abstractmethod
    def _part_module(self, part: Part, options: Architecture) -> PartModule | None:
        """The module of a part of this space; `options` are valid, and just those of the part's choices."""

    def wiring(self, architecture: Architecture) -> list[Step]:
        """How the parts read each other, in order of execution; the last one gives the scores.

        Here one after the other. Parts that have no place in the architecture may be left out.

        Args:
            architecture: A valid one.
        """
        names = [IMAGES, *self._part_names]
        return [Step(name, (before,)) for before, name in itertools.pairwise(names)]

    def cell_graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        """The cells of an architecture as graphs, each kind once; none where its stages are chains.

        A search learns from them which operators follow each other. Every architecture has the same kinds.

        Args:
            architecture: A valid one.
        """
        return ()

    @abstractmethod
    def picture(self) -> str:
        """The network drawn in text, a few lines of at most 80 characters."""

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """All choices, in the order of the compact text."""
        return tuple(self._choices())

    @cached_property
    def _by_name(self) -> dict[str, Choice]:
        return {choice.name: choice for choice in self.choices}

    @cached_property
    def _part_names(self) -> dict[str, Part]:
        return {part.name: part for part in self._parts()}

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over all that defines the networks; neither name nor title do."""
        definition = {key: value for key, value in asdict(self).items() if key not in ("name", "title")}
        text = canonical_json({"kind": self.kind, "revision": self.revision, **definition})
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]

    def choice(self, name: str) -> Choice:
        """The choice called `name`.

        Raises:
            UnknownName: The space has no such choice; close matches are listed.
        """
        if name not in self._by_name:
            raise UnknownName(f"choice of the space {self.name}", name, self._by_name)
        return self._by_name[name]

    def parts(self) -> tuple[Part, ...]:
        """All parts that any architecture has, in order of execution."""
        return tuple(self._part_names.values())

    def combination_count(self, part: Part) -> int:
        """How many combinations of options a part has."""
        return math.prod(len(self.choice(name).options) for name in part.choices)

    def combinations(self, part: Part) -> Iterator[dict[str, Scalar]]:
        """Every combination of options of the choices that a part depends on."""
        options = (self.choice(name).options for name in part.choices)
        for chosen in itertools.product(*options):
            yield dict(zip(part.choices, chosen, strict=True))

    def part_module(self, part: Part, options: Architecture) -> PartModule | None:
        """A new module of one part, with weights of its own.

        Args:
            part: One of :meth:`parts`.
            options: Options of the part's choices; others, such as the rest of an architecture, are ignored.

        Returns:
            The module and the shapes that it reads, or None where nothing runs: a block above the depth, or a
            connection that passes on what it reads.

        Raises:
            UnknownName: Not a part of this space, or not an option of one of its choices.
            UsageError: A choice of the part has no option.
        """
        if self._part_names.get(part.name) != part:
            raise UnknownName(f"part of the space {self.name}", part.name, self._part_names)
        for name in part.choices:
            if name not in options:
                raise UsageError(f"the part {part.name} needs an option of {name}", "Give one")
            self.choice(name).check(options[name])
        return self._part_module(part, {name: options[name] for name in part.choices})

    def network(self, architecture: Architecture) -> nn.Module:
        """A new network with random weights from torch's global generator, in training mode.

        It maps float32 images ``(n, *input_shape)`` to scores ``(n, classes)``. Its modules are those that
        :meth:`part_module` gives, under the names of their parts.

        Raises:
            UnknownName: A choice or option that the space does not have.
            UsageError: A choice without an option.
        """
        from hwnas.workloads.spaces.wired_network import WiredNetwork

        whole = self.canonical(architecture)
        modules: dict[str, nn.Module] = {}
        reads: dict[str, tuple[str, ...]] = {}
        # What a part's readers really read: the part itself, or, where nothing runs, what it would have read.
        source = {IMAGES: IMAGES}
        for step in self.wiring(whole):
            found = self.part_module(self._part_names[step.part], whole)
            if found is None:
                source[step.part] = source[step.reads[0]]
                continue
            modules[step.part] = found.module
            reads[step.part] = tuple(source[name] for name in step.reads)
            source[step.part] = step.part
        return WiredNetwork(modules, reads)

    def count(self) -> int:
        """How many different architectures there are: those that :meth:`canonical` leaves as they are."""
        return math.prod(len(choice.options) for choice in self.choices)

    def sample(self, rng: random.Random) -> dict[str, Scalar]:
        """An architecture in its canonical form; every option of a choice is equally likely."""
        return self.canonical({choice.name: rng.choice(choice.options) for choice in self.choices})

    def validate(self, architecture: Architecture) -> None:
        """Refuse what is not an architecture of this space.

        Raises:
            UnknownName: A choice or option that the space does not have; close matches are listed.
            UsageError: A choice without an option.
        """
        for name, option in architecture.items():
            self.choice(name).check(option)
        for name in self._by_name:
            if name not in architecture:
                raise UsageError(f"the architecture has no option for {name}", "Give one for every choice")

    def canonical(self, architecture: Architecture) -> dict[str, Scalar]:
        """The architecture that stands for all those with the same network, its choices in order.

        Choices that have no effect take their first option.

        Raises:
            UnknownName: A choice or option that the space does not have.
            UsageError: A choice without an option.
        """
        self.validate(architecture)
        return {name: architecture[name] for name in self._by_name}

    def compact(self, architecture: Architecture) -> str:
        """An architecture as one short text: options joined by commas, and groups of choices by plus signs.

        :meth:`parse` reads it.

        Raises:
            UnknownName: A choice or option that the space does not have.
            UsageError: A choice without an option.
        """
        self.validate(architecture)
        groups = itertools.groupby(self.choices, lambda choice: choice.name.partition(".")[0])
        return "+".join(
            ",".join(option_text(architecture[choice.name]) for choice in group) for _, group in groups
        )

    def parse(self, text: str) -> dict[str, Scalar]:
        """The architecture that :meth:`compact` has written; valid, and not made canonical.

        Raises:
            UnknownName: An option that its choice does not have; close ones are listed.
            UsageError: More or fewer options than choices.
        """
        texts = [part.strip() for part in re.split("[+,]", text)]
        if len(texts) != len(self.choices):
            example = self.compact({choice.name: choice.options[0] for choice in self.choices})
            raise UsageError(
                f"the architecture {text!r} does not have {len(self.choices)} options, one for every choice",
                f"Write it like {example}",
            )
        return {choice.name: choice.option(word) for choice, word in zip(self.choices, texts, strict=True)}
