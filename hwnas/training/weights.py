"""Weights on disk, as safetensors: plain numbers, no code."""

from __future__ import annotations

import json
import os
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
    """Write tensors and what is told of them into one file, which is complete at any moment or not there.

    Args:
        path: Replaced; its folder is made.
        tensors: Of any memory layout; those that share memory are written twice.
        told: What JSON can hold.

    Raises:
        UsageError: The file cannot be written.
    """
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    blob = save(own, {_TOLD: json.dumps(told, sort_keys=True)})
    part = path.with_name(f".part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(blob)
            file.flush()
            # Else a power cut after the renaming could leave an empty file.
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}", "Give another folder"
        ) from error


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What :func:`write_tensors` has written; what is told is empty for another program's file.

    Raises:
        UsageError: There is no such file, or it is not such a one.
    """
    try:
        # The library tells a missing file and a folder in words of its own.
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


def save_weights(network: nn.Module, path: str | Path, told: Mapping[str, Any] | None = None) -> None:
    """Write a network's parameters and buffers under their names in its state dictionary.

    Args:
        network: On any device; not changed.
        path: Usually ``.safetensors``; replaced.
        told: What JSON can hold, such as the architecture and its accuracy.

    Raises:
        UsageError: The file cannot be written.
    """
    write_tensors(Path(path), network.state_dict(), told or {})


def load_weights(network: nn.Module, path: str | Path) -> dict[str, Any]:
    """Give a network the parameters and buffers of a file.

    Args:
        network: Of the same architecture; its memory layout stays.
        path: That :func:`save_weights` wrote, or any other safetensors file with the network's names.

    Returns:
        What was told when it was written.

    Raises:
        UsageError: The file cannot be read, or is of another network; the message names a tensor.
    """
    tensors, told = read_tensors(Path(path))
    put(network, tensors, Path(path))
    return told


def put(network: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copy tensors into a network's parameters and buffers of the same names.

    Args:
        network: Its memory layout stays.
        tensors: By their names in its state dictionary.
        path: Where they come from, for messages.

    Raises:
        UsageError: A name is missing or too many, or a shape or type is another one.
    """
    own = network.state_dict()
    hint = "Build the network whose weights these are"
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
