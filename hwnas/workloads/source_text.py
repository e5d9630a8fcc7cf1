"""Classes and functions as text, for digests that tell whether two networks are the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

from torch import nn

#: Of a class that was typed at a prompt: attributes whose text says all of them.
_CONSTANTS = (bool, int, float, str, range)

#: A value as text.
Told = Callable[[Any], str]


def class_source(cls: type[nn.Module], told: Told) -> str:
    """What a module's class is: its name with its source, or what it holds where it was typed at a prompt.

    Args:
        cls: Not one of torch's.
        told: Of values that its functions close over.
    """
    name = f"{cls.__module__}.{cls.__qualname__}"
    try:
        return name + inspect.getsource(cls)
    except (OSError, TypeError):
        # Typed at a prompt: no source to be found, but byte code.
        return name + "".join(_typed(cls, told))


def _typed(cls: type[nn.Module], told: Told) -> Iterator[str]:
    for name, value in vars(cls).items():
        if isinstance(value, property):
            functions: tuple[Any, ...] = (value.fget, value.fset)
        else:
            # What static and class methods are made of, or a function itself.
            functions = (getattr(value, "__func__", value),)
        yield from (function_text(f, told) for f in functions if isinstance(f, FunctionType))
        if not name.startswith("__") and isinstance(value, _CONSTANTS):
            yield f"{name}={value!r}"


def function_text(function: FunctionType, told: Told) -> str:
    """What a function does, without its address: name, byte code, constants, defaults, and what it closes over.

    Args:
        function: Written in Python.
        told: Of the values that it closes over, and of its defaults.
    """
    values = [*_closed_over(function), *(function.__defaults__ or ())]
    named = sorted((function.__kwdefaults__ or {}).items())
    said = [*map(told, values), *(f"{name}={told(value)}" for name, value in named)]
    return f"{function.__qualname__}{_code_text(function.__code__)}{said}"


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


def _closed_over(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        # Empty where a name is bound later.
        with suppress(ValueError):
            yield cell.cell_contents
