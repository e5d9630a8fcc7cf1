"""Design patterns and stacks of them: definitions, costs and checks, without torch.

A pattern is a chain of convolutions, each followed by batch normalisation and, unless it is
linear, an activation. The definitions stand in `hwnas.workloads.pattern_catalogue`; installed
packages add theirs through the entry-point group ``hwnas.patterns``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.registry import Registry
from hwnas.core.workload import Workload

FLOAT_BYTES = 4
#: Batch normalisation counts its batches in an int64.
_COUNTER_BYTES = 8
MAX_DEPTH = 1000


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


@dataclass(frozen=True)
class PatternStack:
    """`depth` blocks of one pattern, with neither stem nor head.

    Costs are those of one inference of the whole batch.

    Args:
        pattern: The pattern.
        depth: Number of blocks, 1..1000.
        width: Channels that the spatial (k x k) convolution works on.
        kernel: Side of the spatial kernel, odd.
        batch: Images in one inference.
        resolution: Height and width of every feature map.
        options: Values of the pattern's own keys; absent ones take the pattern's defaults.

    Raises:
        UsageError: A value is out of range or a key does not apply; the message names the key.
    """

    pattern: Pattern
    depth: int
    width: int
    kernel: int = 3
    batch: int = 1
    resolution: int = 56
    options: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.options:
            if key not in self.pattern.options:
                known = ", ".join(("depth", "width", "kernel", *self.pattern.options))
                raise UsageError(
                    f"key {key!r} does not apply to the pattern {self.pattern.name!r}", f"Its keys: {known}"
                )
        options = {**self.pattern.options, **self.options}
        object.__setattr__(self, "options", MappingProxyType(options))
        _check("depth", self.depth, MAX_DEPTH)
        _check("kernel", self.kernel)
        if self.kernel % 2 == 0:
            raise UsageError(
                f"kernel {self.kernel} is even, so 'same' padding is impossible", "Give an odd kernel"
            )
        for key, value in {
            "width": self.width,
            "batch": self.batch,
            "resolution": self.resolution,
            **options,
        }.items():
            _check(key, value)
        read = [c.in_channels for c in self.block]
        written = [c.out_channels for c in self.block]
        if read[1:] + read[:1] != written:
            raise UsageError(
                f"the convolutions of the pattern {self.pattern.name!r} do not fit together: "
                f"they read {read} and write {written} channels",
                "Each must read what the one before it writes, and the first what the last writes",
            )

    @classmethod
    def of(cls, workload: Workload) -> PatternStack:
        """The stack that a workload of the kind ``pattern`` declares.

        Raises:
            UnknownName: No such pattern.
            UsageError: Not a pattern workload, or one that contradicts itself.
        """
        if workload.kind != "pattern":
            raise UsageError(f"{workload.name!r} is a {workload.kind} workload, not a pattern")
        params: dict[str, Any] = dict(workload.params)
        try:
            depth, width, kernel = (params.pop(key) for key in ("depth", "width", "kernel"))
        except KeyError as error:
            raise UsageError(f"pattern workload {workload.name!r} without the key {error}") from error
        pattern = find_pattern(workload.name)
        stack = cls(pattern, depth, width, kernel, workload.batch, workload.input_shape[-1], params)
        if stack.input_shape != workload.input_shape:
            expected, given = ("x".join(map(str, s)) for s in (stack.input_shape, workload.input_shape))
            raise UsageError(
                f"input shape {given} does not fit the pattern {workload.name!r} at width {width}",
                f"It takes {expected}",
            )
        return stack

    @cached_property
    def block(self) -> tuple[Convolution, ...]:
        """The convolutions of one block."""
        return self.pattern.convolutions(width=self.width, kernel=self.kernel, **self.options)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """``(batch, channels, height, width)``, of the output as well."""
        return (self.batch, self.block[0].in_channels, self.resolution, self.resolution)

    @property
    def _pixels(self) -> int:
        return self.batch * self.resolution**2

    @property
    def macs(self) -> int:
        """Multiply-adds of the convolutions, as deployed: batch normalisation folds into them."""
        return self._pixels * self.depth * sum(c.weights for c in self.block)

    @property
    def parameters(self) -> int:
        """Trainable parameters: kernels, and scale and shift of the batch normalisations."""
        return self.depth * sum(c.weights + 2 * c.out_channels for c in self.block)

    @property
    def weights_bytes(self) -> int:
        """Parameters and running statistics in float32 [bytes]."""
        statistics = sum(2 * c.out_channels * FLOAT_BYTES + _COUNTER_BYTES for c in self.block)
        return self.parameters * FLOAT_BYTES + self.depth * statistics

    @property
    def peak_activation_bytes(self) -> int:
        """Most memory that activations take at once in eager PyTorch [bytes].

        The caller holds the input. A convolution needs its input and output, batch normalisation
        its input and output, and activations work in place.
        """
        first, *rest = self.block
        channels = [2 * c.out_channels for c in self.block]
        channels += [c.in_channels + c.out_channels for c in rest]
        # The very first convolution reads the input itself, which is counted already.
        if self.depth > 1:
            channels.append(first.in_channels + first.out_channels)
        return self._pixels * FLOAT_BYTES * (first.in_channels + max(channels))

    @property
    def activation_bytes(self) -> int:
        """Activations that the operators of eager PyTorch read and write in total [bytes]."""
        block = sum(
            c.in_channels + c.out_channels + 2 * c.out_channels * (2 if c.activation else 1) for c in self.block
        )
        return self._pixels * FLOAT_BYTES * self.depth * block


def _check(key: str, value: object, largest: int | None = None) -> None:
    """Refuse anything but an integer from 1 to `largest`."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= (largest or value):
        return
    allowed = f"an integer from 1 to {largest}" if largest else "a positive integer"
    raise UsageError(f"{key} {value!r} is not {allowed}", f"Give {key} as {allowed}")


def pattern_workload(
    pattern: str,
    *,
    depth: int,
    width: int,
    batch: int = 1,
    resolution: int = 56,
    kernel: int = 3,
    seed: int = 0,
    **options: int | None,
) -> Workload:
    """Declare a stack of one pattern; defaults are filled in, so equal stacks have equal keys.

    Args:
        pattern: A name in :data:`PATTERNS`.
        depth: Number of blocks, 1..1000.
        width: Channels that the spatial (k x k) convolution works on.
        batch: Images in one inference.
        resolution: Height and width of every feature map.
        kernel: Side of the spatial kernel, odd.
        seed: Seed of weights and input.
        **options: The pattern's own keys, ``expansion`` or ``groups``; None means the default.

    Raises:
        UnknownName: No such pattern.
        UsageError: A value is out of range or a key does not apply; the message names the key.
    """
    given = {key: value for key, value in options.items() if value is not None}
    stack = PatternStack(find_pattern(pattern), depth, width, kernel, batch, resolution, given)
    params = {"depth": depth, "width": width, "kernel": kernel, **stack.options}
    return Workload("pattern", stack.pattern.name, stack.input_shape, params, seed)
