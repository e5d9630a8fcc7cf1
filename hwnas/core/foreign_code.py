"""Errors of code that is not ours: users' factories and models, third parties' modules."""

from __future__ import annotations

#: What such code may raise without being a fault of hwnas. Exits and interrupts pass.
FOREIGN_CODE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def in_one_line(error: Exception) -> str:
    """Type and first line of an error's message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
