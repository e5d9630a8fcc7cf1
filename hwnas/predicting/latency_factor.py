"""One term of a latency table: seconds that depend on one choice, or on several together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hwnas.core.errors import UsageError
from hwnas.predicting.per_choice import refuse_repeated


class Factor:
    """Seconds that depend on one choice, or on several together.

    Args:
        name: Unique within a table.
        choices: The choices it depends on, in the order of the dimensions of `seconds`; a single one may be
            given by its name alone.
        seconds: Shape ``(n1, ..., nk)``, one dimension for each choice [s]; a tensor or nested lists.
        keys: What a lookup table calls the entries (:mod:`hwnas.predicting.lookup_yaml`), nested like
            `seconds` or row by row; None for an entry without a block.

    Attributes:
        seconds: A copy on the CPU, float64 [s].
        keys: Row by row, or None.

    Raises:
        UsageError: Dimensions or keys do not fit, or an entry is negative, NaN or infinite.
    """

    def __init__(
        self,
        name: str,
        choices: str | Sequence[str],
        seconds: Tensor | Sequence[Any],
        keys: Sequence[Any] | None = None,
    ) -> None:
        self.name = name
        self.choices = (choices,) if isinstance(choices, str) else tuple(choices)
        self.keys = None if keys is None else tuple(_row_by_row(keys))
        where = f"factor {name!r}"
        try:
            self.seconds = torch.as_tensor(seconds, dtype=torch.float64, device="cpu").detach().clone()
        except (OverflowError, RuntimeError, TypeError, ValueError) as error:
            raise UsageError(
                f"{where}: its seconds are no table of numbers ({error})", "Give nested lists of equal lengths"
            ) from error
        if not self.choices or self.seconds.ndim != len(self.choices):
            raise UsageError(
                f"{where} has {len(self.choices)} choices and seconds of shape {tuple(self.seconds.shape)}",
                "Give one dimension for each choice, in the order of the choices",
            )
        refuse_repeated(f"choice of {where}:", self.choices)
        wrong = (~self.seconds.isfinite() | (self.seconds < 0)).nonzero().tolist()
        if wrong:
            raise UsageError(
                f"{where} has the entry {self.seconds[tuple(wrong[0])].item()} at {wrong[0]}",
                "Give finite seconds, at least 0",
            )
        if self.keys is not None and len(self.keys) != self.seconds.numel():
            raise UsageError(
                f"{where} has {len(self.keys)} keys for {self.seconds.numel()} entries",
                "Give one for each entry, None where there is no block",
            )

    def __repr__(self) -> str:
        return f"Factor({self.name!r}, {self.choices!r}, seconds of shape {tuple(self.seconds.shape)})"


class Place(NamedTuple):
    """Where a factor's entries lie in a flat table."""

    name: str
    choices: tuple[int, ...]  #: positions of its choices among all
    shape: tuple[int, ...]  #: the numbers of their options
    start: int
    keys: tuple[str | None, ...] | None

    def entries(self, table_s: Tensor) -> Tensor:
        """The factor's entries row by row, shape ``(n1 * ... * nk,)`` [s]."""
        return table_s[self.start : self.start + math.prod(self.shape)]

    def numbers(self, options: Tensor) -> Tensor:
        """Which of the entries architectures have, shape ``(N,)``, int64.

        Args:
            options: Shape ``(choices, N)``, int64: the option of every choice.
        """
        number = options[self.choices[0]]
        for choice, count in zip(self.choices[1:], self.shape[1:], strict=True):
            number = number * count + options[choice]
        return number

    def expectation(self, table_s: Tensor, probabilities: Sequence[Tensor]) -> Tensor:
        """Sum over the entries of seconds times the probabilities of their options, shape ``(...)`` [s].

        Args:
            table_s: The flat table.
            probabilities: For every choice, shape ``(..., options)``, in the table's type.
        """
        left = self.entries(table_s)
        for choice, count in zip(self.choices, self.shape, strict=True):
            rows = left.reshape(*left.shape[:-1], count, left.shape[-1] // count)
            left = (probabilities[choice].unsqueeze(-2) @ rows).squeeze(-2)
        return left.squeeze(-1)


def _row_by_row(keys: Sequence[Any]) -> Iterator[str | None]:
    for key in keys:
        if key is None or isinstance(key, str):
            yield key
        else:
            yield from _row_by_row(key)
