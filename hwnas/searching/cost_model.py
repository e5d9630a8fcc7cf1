"""What tells the costs of networks before they are trained: latency, size, multiply-adds, memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from hwnas.core.errors import UsageError
from hwnas.core.units import format_bytes, format_count, format_seconds
from hwnas.searching.estimate import Estimate
from hwnas.workloads.spaces.choice import Architecture


class CostModel(ABC):
    """One cost of the networks of a space.

    A search asks in two steps: :meth:`screen` for thousands of networks at once, and :meth:`estimate`, which
    may take a second, for the one that it is about to try.

    Attributes:
        name: What it tells, such as ``latency openvino:cpu:fp32``; unique in a search.
        unit: Of its values: ``s``, ``bytes``, or empty for counts.
        closely_exact: Whether :meth:`estimate` is exact, whatever :meth:`screen` leaves open.
    """

    name: str
    unit: str
    closely_exact: bool = False

    def told(self, value: float) -> str:
        """A value for people, such as ``2.41 ms``."""
        formats = {"s": format_seconds, "bytes": format_bytes}
        return formats.get(self.unit, format_count)(value)

    @abstractmethod
    def estimate(self, architecture: Architecture) -> Estimate:
        """As well as can be told without running the network; of length 1.

        Raises:
            CellError: The network cannot be judged, such as one that a backend cannot compile.
        """

    def screen(self, codes: np.ndarray) -> Estimate | None:
        """A fast estimate for many networks, or None where there is none.

        Args:
            codes: Rows of :class:`hwnas.searching.codes.Codes`, shape ``(n, choices)``.
        """
        return None

    @property
    def measurements_left(self) -> int:
        """How many networks may still be measured to decide what an estimate leaves open."""
        return 0

    def measure(self, architectures: Sequence[Architecture]) -> None:
        """Measure networks that cannot be decided otherwise, and learn from them.

        Called with no more than :attr:`measurements_left`.

        Raises:
            CellError: None of them can be measured.
        """
        raise NotImplementedError

    @property
    def measured(self) -> Mapping[str, float]:
        """What was measured: compact text of the architecture -> cost."""
        return {}

    def is_measured(self, architecture: Architecture) -> bool:
        """Whether an estimate of the network is what was measured."""
        return False

    def foretold(self, architecture: Architecture) -> Estimate | None:
        """What the estimate of a measured network was before it was measured; None where there was none."""
        return None

    def remember(self, measured: Mapping[str, float]) -> None:
        """Take over what an earlier run of the search had :attr:`measured`; it counts as measured here.

        Raises:
            UsageError: Something was measured, and this cost cannot be.
        """
        if measured:
            raise UsageError(
                f"{self.name} was measured in an earlier run, and cannot be here", "Measure it again"
            )
