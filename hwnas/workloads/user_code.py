"""Errors of code that users bring: their factories, and models on inputs they chose."""

from __future__ import annotations

#: What such code may raise without being a fault of hwnas. Exits and interrupts pass.
USER_CODE_ERRORS = (
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
