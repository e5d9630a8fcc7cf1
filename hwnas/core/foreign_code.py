"""Errors of code that is not ours: users' factories and models, third parties' modules."""

from __future__ import annotations

import re

#: What such code may raise without being a fault of hwnas. Exits and interrupts pass.
FOREIGN_CODE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


#: How torch, which has no error of its own for it, says that an allocation failed.
_NO_MEMORY = re.compile("can't allocate memory|not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an allocation failed."""
    return isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) is not None


def in_one_line(error: Exception) -> str:
    """Type and first line of an error's message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
