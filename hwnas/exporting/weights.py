"""Weights on disk, as safetensors: plain numbers, no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from hwnas.core.errors import UsageError

#: What is told about the tensors stands under this key, as JSON.
_TOLD = "hwnas"


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], told: Mapping[str, Any]) -> None:
    """Write tensors and what is told of them.

    Args:
        path: Replaced as a whole.
        tensors: Of any memory layout; those that share memory are written twice.
        told: What JSON can hold.

    Raises:
        UsageError: The file cannot be written.
    """
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    part = path.with_name(f".part-{path.name}")
    try:
        part.write_bytes(save(own, {_TOLD: json.dumps(told, sort_keys=True)}))
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "Give another folder") from error


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors by name, and what is told of them; nothing for another program's file.

    Raises:
        UsageError: There is no such file, or it holds no safetensors.
    """
    try:
        # The library has words of its own for a missing file and for a folder.
        path.open("rb").close()
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {}).get(_TOLD, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, dict(told)  # noqa: SIM118 - no dict
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}", "Check the path") from error
    except (SafetensorError, ValueError, TypeError) as error:
        raise UsageError(
            f"{path} is not a safetensors file: {error}",
            "Write one with safetensors.torch.save_file(network.state_dict(), PATH)",
        ) from error


def put(network: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copy tensors into a network's parameters and buffers of the same names.

    Args:
        network: Changed in place.
        tensors: By their names in its state dictionary.
        path: Where they come from, for messages.

    Raises:
        UsageError: A name is missing or too many, or a shape or type is another one; the message names it.
    """
    own = network.state_dict()
    hint = "Name the network whose weights these are"
    for name in own:
        if name not in tensors:
            raise UsageError(f"{path} lacks the tensor {name}", hint)
    for name, tensor in tensors.items():
        if name not in own:
            raise UsageError(f"{path} has a tensor {name}, and the network has none", hint)
        if tensor.shape != own[name].shape or tensor.dtype != own[name].dtype:
            found, fits = (f"{'x'.join(map(str, t.shape)) or 1} {t.dtype}" for t in (tensor, own[name]))
            raise UsageError(f"the tensor {name} in {path} is {found}, not {fits}", hint)
    network.load_state_dict(dict(tensors))
