"""Classes and functions as text, for digests that tell whether two networks are the same."""

from __future__ import annotations

import inspect
from types import CellType, CodeType, FunctionType

from torch import nn

#: Of what a function closes over: values whose text says all of them.
_TOLD = (bool, int, float, str, tuple, range)


def class_source(cls: type[nn.Module]) -> str:
    """What a module's class is: its name with its source, or its byte code where it was typed at a prompt."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    try:
        return name + inspect.getsource(cls)
    except (OSError, TypeError):
        # Typed at a prompt: no source to be found, but byte code.
        functions = (f for f in vars(cls).values() if isinstance(f, FunctionType))
        return name + "".join(map(function_text, functions))


def function_text(function: FunctionType) -> str:
    """What a function does, without its address: its name, byte code, constants, and what it closes over."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if not _is_empty(cell)]
    told = (c for c in (*cells, *(function.__defaults__ or ())) if isinstance(c, _TOLD))
    return f"{function.__qualname__}{_code_text(function.__code__)}{[repr(c) for c in told]}"


def _code_text(code: CodeType) -> str:
    constants = (_constant(c) for c in code.co_consts)
    return f"{code.co_code.hex()}{code.co_names}{','.join(constants)}"


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _code_text(value)
    if isinstance(value, frozenset):
        # In an order that no seed of hashes decides.
        return f"{{{','.join(sorted(map(repr, value)))}}}"
    return repr(value)


def _is_empty(cell: CellType) -> bool:
    try:
        return cell.cell_contents is None
    except ValueError:
        return True
