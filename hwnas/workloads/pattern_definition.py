"""What a design pattern is, and the table of all that are known.

A pattern is a chain of convolutions, each followed by batch normalisation and, unless it is
linear, an activation. The built-in definitions stand in `hwnas.workloads.pattern_catalogue`;
installed packages add theirs through the entry-point group ``hwnas.patterns``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.registry import Registry


@dataclass(frozen=True)
class Convolution:
    """A convolution without bias, batch normalisation and an activation; stride 1, same padding.

    Args:
        in_channels: Channels read.
        out_channels: Channels written.
        kernel: Height and width of the kernel.
        groups: 1 for dense, `in_channels` for depthwise.
        activation: ``"relu"``, ``"relu6"``, or ``""`` for a linear layer.
    """

    in_channels: int
    out_channels: int
    kernel: tuple[int, int] = (1, 1)
    groups: int = 1
    activation: str = "relu"

    @property
    def weights(self) -> int:
        """Elements of the kernel tensor; also the MACs of one output pixel."""
        return self.kernel[0] * self.kernel[1] * self.in_channels // self.groups * self.out_channels


@dataclass(frozen=True)
class Pattern:
    """One macro-architecture design pattern.

    Args:
        name: As users write it.
        title: As people read it.
        description: The block in words.
        formula: MACs of one block and pixel, in w (width), k (kernel), e (expansion),
            g (groups) and t (the narrow width of a depthwise bottleneck).
        source: Where the literature introduces it.
        convolutions: Called with ``width``, ``kernel`` and the pattern's `options` as keywords,
            returns one block. The last convolution writes as many channels as the first one reads.
        options: Keys that apply to this pattern alone, with their defaults.
    """

    name: str
    title: str
    description: str
    formula: str
    source: str
    convolutions: Callable[..., tuple[Convolution, ...]]
    options: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))


_CATALOGUE = "hwnas.workloads.pattern_catalogue"
_REGISTRY = Registry(
    "pattern",
    "hwnas.patterns",
    {
        "standard": f"{_CATALOGUE}:STANDARD",
        "factorized": f"{_CATALOGUE}:FACTORIZED",
        "bottleneck": f"{_CATALOGUE}:BOTTLENECK",
        "depthwise_separable": f"{_CATALOGUE}:DEPTHWISE_SEPARABLE",
        "depthwise_bottleneck": f"{_CATALOGUE}:DEPTHWISE_BOTTLENECK",
        "grouped": f"{_CATALOGUE}:GROUPED",
    },
)


# Looking through the entry points of every installed package takes milliseconds.
@functools.cache
def find_pattern(name: str) -> Pattern:
    """The pattern called `name`.

    Raises:
        UnknownName: No pattern has that name; close matches are listed.
        UsageError: An installed package registers a pattern that cannot be used.
    """
    try:
        pattern = _REGISTRY.load(name)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"pattern {name!r} cannot be loaded: {error}", "Repair or remove the package that registers it"
        ) from error
    if not isinstance(pattern, Pattern):
        raise UsageError(
            f"pattern {name!r} is a {type(pattern).__name__}, not a hwnas.workloads.patterns.Pattern",
            "Repair or remove the package that registers it",
        )
    return pattern


class _Patterns(Mapping[str, Pattern]):
    """Every known pattern by name, built-in ones first."""

    def __getitem__(self, name: str) -> Pattern:
        try:
            return find_pattern(name)
        except UnknownName as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return iter(_REGISTRY.names())

    def __len__(self) -> int:
        return len(_REGISTRY.names())


PATTERNS: Mapping[str, Pattern] = _Patterns()
