"""Inputs are refused before they are made."""

from __future__ import annotations

import pytest

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.measuring import input_memory
from hwnas.measuring.input_memory import check_input_memory


@pytest.fixture(autouse=True)
def _a_megabyte_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_memory, "available_memory_bytes", lambda: 2**20)


def test_as_much_may_be_used_as_a_cell_of_a_campaign_may() -> None:
    """That is 85 % of it, by default."""
    most = int(0.85 * 2**20) // 4
    check_input_memory([(most,)])
    check_input_memory([(2, 1000), (3, 10, 10)])
    check_input_memory([])
    told = r"x1 would need 870 KiB of memory, and 870 KiB may be used\. Give a smaller --batch or --input"
    with pytest.raises(OutOfMemory, match=f"an input of shape {most + 1}{told}"):
        check_input_memory([(most + 1, 1)])


def test_inputs_that_are_there_at_once_count_together() -> None:
    check_input_memory([(150_000,)])
    with pytest.raises(OutOfMemory, match=r"2 inputs of parts of networks .*Give a smaller batch"):
        check_input_memory([(150_000,), (150_000,)], "Give a smaller batch")


@pytest.mark.parametrize("batch", [2**48, 10**30])
def test_what_no_computer_counts_is_told_as_that(batch: int) -> None:
    with pytest.raises(UsageError, match=f"too many values in an input of shape {batch}x1"):
        check_input_memory([(batch, 1)])
