"""A digest of all that a live network is but its weights, quick enough for every step of a training."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from enum import Enum
from functools import partial
from numbers import Number
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from hwnas.workloads.source_text import class_source, function_text

_DIGITS = 16
#: What every module has; its mode and its hooks are no structure.
_OF_ALL_MODULES = frozenset(vars(nn.Module()))
#: Values whose text says all of them.
_PLAIN = frozenset({type(None), bool, int, float, str, torch.dtype, torch.device})
#: Deeper than that, what is no plain value is told by its identity.
_DEEPEST = 6
#: Whole numbers beyond so many are data, and no choice.
_MOST_VALUES = 4096
#: As :func:`_plain` writes it.
_IDENTITY = re.compile("@0x[0-9a-f]+@")
#: Buffers that a training counts with.
_COUNTERS = frozenset({"num_batches_tracked"})

_sources: WeakKeyDictionary[type[nn.Module], str] = WeakKeyDictionary()


def structure_digest(module: nn.Module) -> str:
    """16 hexadecimal digits over what shapes a network's kernels.

    Covers the classes of every module with their sources, its attributes (numbers, texts, functions, and
    containers and objects of these; any other object by its identity), and names, shapes and types of
    parameters and buffers, with the values of those that are whole numbers or truth values. Neither other
    tensors' values nor the mode, training or evaluation, change it. An attribute that changes does. A network
    that chooses by the values of its weights what it runs is one network for all of them.

    Args:
        module: The network.
    """
    return hashlib.sha256(structure_text(module).encode()).hexdigest()[:_DIGITS]


def structure_text(module: nn.Module, *, anonymous: bool = False) -> str:
    """What :func:`structure_digest` covers.

    Args:
        module: The network.
        anonymous: Tell objects of which nothing else is known by their type, and not by their identity, so that
            another process says the same.
    """
    text = "".join(
        "\n".join((name, _class(type(part)), *_attributes(part), *_tensors(part), ""))
        for name, part in module.named_modules(remove_duplicate=False)
    )
    return _IDENTITY.sub("@", text) if anonymous else text


def _class(kind: type[nn.Module]) -> str:
    if kind not in _sources:
        # A module's own classes, up to torch's that they are made from.
        _sources[kind] = "\n".join(
            f"{cls.__module__}.{cls.__qualname__}" if _is_torchs(cls) else class_source(cls, _plain)
            for cls in kind.__mro__
            if cls not in (nn.Module, object)
        )
    return _sources[kind]


def _is_torchs(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in ("torch", "typing", "abc")


def _attributes(part: nn.Module) -> list[str]:
    return [f"{name}={_plain(value)}" for name, value in vars(part).items() if name not in _OF_ALL_MODULES]


def _tensors(part: nn.Module) -> list[str]:
    # Not state_dict(): it leaves out buffers that are not kept, which shape kernels all the same. And not
    # named_parameters(), which takes most of the time of all this.
    own = (*part._parameters.items(), *part._buffers.items())
    return [f"{name}:{_plain(tensor)}{_values(name, tensor)}" for name, tensor in own]


def _values(name: str, tensor: torch.Tensor | None) -> str:
    """Of a tensor that may say what runs."""
    if tensor is None or name in _COUNTERS or tensor.is_floating_point() or tensor.is_complex():
        return ""
    if tensor.is_meta or tensor.numel() > _MOST_VALUES:
        return ""
    return str(tensor.tolist())


def _plain(value: Any, depth: int = 0) -> str:
    """A value as text that says no address."""
    if type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)}{value.dtype}"
    if isinstance(value, Number | str | bytes | Enum | range | slice):
        return repr(value)
    if isinstance(value, FunctionType) and depth < _DEEPEST:
        # Deeper by two: functions may close over each other.
        return function_text(value, lambda inner: _plain(inner, depth + 2))
    if isinstance(value, logging.Logger):
        return f"logger {value.name}"
    if depth < _DEEPEST:
        if isinstance(value, partial):
            value = {"": "partial", "of": value.func, "args": value.args, "keywords": value.keywords}
        if isinstance(value, tuple | list):
            return f"[{','.join(_plain(v, depth + 1) for v in value)}]"
        if isinstance(value, set | frozenset):
            return f"{{{','.join(sorted(_plain(v, depth + 1) for v in value))}}}"
        if isinstance(value, Mapping):
            pairs = (f"{_plain(k, depth + 1)}:{_plain(v, depth + 1)}" for k, v in value.items())
            return f"{{{','.join(pairs)}}}"
        told = hasattr(value, "__dict__") and not isinstance(value, nn.Module)
        if told and not hasattr(value, "__qualname__"):
            return f"{type(value).__qualname__}{_plain(vars(value), depth + 1)}"
    if hasattr(value, "__qualname__"):
        return f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    # Nobody knows what it says: the same object says the same.
    return f"{type(value).__qualname__}@{id(value):#x}@"
