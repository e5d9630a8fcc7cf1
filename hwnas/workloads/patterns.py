"""Stacks of design patterns: their declaration, costs and checks, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.pattern_definition import PATTERNS, Convolution, Pattern, find_pattern

__all__ = [
    "FLOAT_BYTES",
    "PATTERNS",
    "Convolution",
    "Pattern",
    "PatternStack",
    "find_pattern",
    "pattern_workload",
]

FLOAT_BYTES = 4
#: Batch normalisation counts its batches in an int64.
_COUNTER_BYTES = 8
MAX_DEPTH = 1000


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
            raise UsageError(f"kernel {self.kernel} is even, which excludes same padding", "Give an odd kernel")
        for key, value in {
            "width": self.width,
            "batch": self.batch,
            "resolution": self.resolution,
            **options,
        }.items():
            _check(key, value)
        _check_block(self.pattern.name, self.block)

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


def _check_block(pattern: str, block: tuple[Convolution, ...]) -> None:
    """Refuse what somebody's own pattern cannot be built of, or what would be counted wrongly."""
    read = [c.in_channels for c in block]
    written = [c.out_channels for c in block]
    if not block or read[1:] + read[:1] != written:
        raise UsageError(
            f"the convolutions of the pattern {pattern!r} do not fit together: "
            f"they read {read} and write {written} channels",
            "Each must read what the one before it writes, and the first what the last writes",
        )
    for c in block:
        if min(c.in_channels, c.groups) < 1 or c.in_channels % c.groups or c.out_channels % c.groups:
            raise UsageError(
                f"the pattern {pattern!r} has a convolution from {c.in_channels} to {c.out_channels} channels "
                f"in {c.groups} groups",
                "Groups must divide both, of which there must be some",
            )
        if not all(side % 2 for side in c.kernel):
            raise UsageError(
                f"the pattern {pattern!r} has a kernel of {c.kernel[0]} x {c.kernel[1]}, which excludes same "
                "padding",
                "Both sides must be odd",
            )


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
