"""What is told of proofs of equal outputs that prove little."""

from __future__ import annotations

import re

_OWN_NUMBER = re.compile(r" \(relative change [^)]*\)")


def in_general(reason: str) -> str:
    """A reason without the number of its own cell, equal for all cells that it is true for."""
    return _OWN_NUMBER.sub("", reason)
