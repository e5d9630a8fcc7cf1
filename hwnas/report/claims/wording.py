"""Words of findings."""

from __future__ import annotations

from collections.abc import Sequence

_MOST = 4


def spoken(pattern: str) -> str:
    """A pattern's name for people."""
    return pattern.replace("_", " ")


def listed(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    rest = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {rest} more" if rest > 0 else "")
