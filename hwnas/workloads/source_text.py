"""Classes and functions as text, for digests that tell whether two networks are the same."""

from __future__ import annotations

import inspect
import re
from types import CellType, CodeType, FunctionType

from torch import nn

#: Of what a function closes over: values whose text says all of them.
_TOLD = (bool, int, float, str, tuple, range)
#: In texts of what tuples may hold.
_ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")
#: Functions that close over functions are told no deeper than that: one may close over itself.
_DEEPEST = 3


def class_source(cls: type[nn.Module]) -> str:
    """What a module's class is: its name with its source, or its byte code where it was typed at a prompt."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    try:
        return name + inspect.getsource(cls)
    except (OSError, TypeError):
        # Typed at a prompt: no source to be found, but byte code.
        own = [(key, _plain_function(value)) for key, value in vars(cls).items()]
        told = (f"{k}={_told(v, 0)}" for k, v in own if isinstance(v, FunctionType) or not k.startswith("__"))
        return name + "".join(told)


def _plain_function(value: object) -> object:
    """The function behind a static or class method or a property; other values as they are."""
    return getattr(value, "__func__", getattr(value, "fget", value))


def function_text(function: FunctionType, depth: int = 0) -> str:
    """What a function does, without its address: its name, byte code, constants, and what it closes over.

    Args:
        function: The function.
        depth: How many functions that closed over it were told before.
    """
    closed = [cell.cell_contents for cell in function.__closure__ or () if not _is_empty(cell)]
    closed += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    told = [text for value in closed if (text := _told(value, depth))]
    return f"{function.__qualname__}{_code_text(function.__code__)}{told}"


def _told(value: object, depth: int) -> str:
    """A value that a function closes over; empty where nobody knows what it says."""
    if isinstance(value, _TOLD):
        return _ADDRESS.sub("", repr(value))
    if isinstance(value, FunctionType) and depth < _DEEPEST:
        return function_text(value, depth + 1)
    name = getattr(value, "__qualname__", "")
    return f"{getattr(value, '__module__', '')}.{name}" if name else ""


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
