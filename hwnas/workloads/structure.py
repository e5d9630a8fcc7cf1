"""A digest of all that a live network is but its weights, quick enough for every step of a training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from numbers import Number
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from hwnas.workloads.digest import class_source

_DIGITS = 16
#: What every module has; its mode and its hooks are no structure.
_OF_ALL_MODULES = frozenset(vars(nn.Module()))
#: Values whose text says all of them.
_PLAIN = frozenset({type(None), bool, int, float, str, torch.dtype, torch.device})
#: Deeper than that, containers are told by their type.
_DEEPEST = 4

_sources: WeakKeyDictionary[type[nn.Module], str] = WeakKeyDictionary()


def structure_digest(module: nn.Module) -> str:
    """16 hexadecimal digits over what shapes a network's kernels.

    Covers the class of every module with its source, its attributes (numbers, texts, functions by name, and
    containers and data classes of these), and names, shapes and types of parameters and buffers. Neither the
    values of tensors nor the mode, training or evaluation, change it. An attribute that changes does.

    Args:
        module: The network.
    """
    digest = hashlib.sha256()
    for name, part in module.named_modules(remove_duplicate=False):
        digest.update("\n".join((name, _class(type(part)), *_attributes(part), *_tensors(part), "")).encode())
    return digest.hexdigest()[:_DIGITS]


def _class(kind: type[nn.Module]) -> str:
    if kind not in _sources:
        own = not kind.__module__.startswith("torch.")
        _sources[kind] = class_source(kind) if own else f"{kind.__module__}.{kind.__qualname__}"
    return _sources[kind]


def _attributes(part: nn.Module) -> list[str]:
    return [f"{name}={_plain(value)}" for name, value in vars(part).items() if name not in _OF_ALL_MODULES]


def _tensors(part: nn.Module) -> list[str]:
    # Not state_dict(): it leaves out buffers that are not kept, which shape kernels all the same. And not
    # named_parameters(), which takes most of the time of all this.
    own = (*part._parameters.items(), *part._buffers.items())
    return [f"{name}:{_plain(tensor)}" for name, tensor in own]


def _plain(value: Any, depth: int = 0) -> str:
    """A value as text that says no address."""
    if type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)}{value.dtype}"
    if isinstance(value, Number | str | Enum):
        return str(value)
    if depth < _DEEPEST:
        if is_dataclass(value) and not isinstance(value, type):
            value = {"": type(value).__qualname__, **vars(value)}
        if isinstance(value, tuple | list):
            return f"[{','.join(_plain(v, depth + 1) for v in value)}]"
        if isinstance(value, set | frozenset):
            return f"{{{','.join(sorted(_plain(v, depth + 1) for v in value))}}}"
        if isinstance(value, Mapping):
            pairs = (f"{_plain(k, depth + 1)}:{_plain(v, depth + 1)}" for k, v in value.items())
            return f"{{{','.join(pairs)}}}"
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', '')}.{named.__qualname__}"
