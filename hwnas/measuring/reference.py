"""Reference outputs: what a network means, computed once and shared by all arms.

They are computed in a process of their own. In an arm's process the large buffers of the
computation would change how the C library hands out memory afterwards, and with it the arm's speed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwnas.core.workload import Workload

if TYPE_CHECKING:
    import torch

DESCRIPTION = "PyTorch in float64, first image of the batch"


@dataclass(frozen=True)
class Reference:
    """Reference outputs of the first image.

    Args:
        outputs: In the network's order, float64, each ``(1, ...)``.
        response: How much the outputs change with the input: max|y(x) - y(x')| / max|y(x)|.
    """

    outputs: tuple[np.ndarray, ...]
    response: float


def reference_path(workload: Workload, scratch: Path) -> Path:
    """Where the workers of a campaign find a workload's reference."""
    return scratch / f"reference-{workload.key}.npz"


def compute_reference(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Reference:
    """Run the module in double precision, which no measured arm uses: PyTorch's own kernels, without oneDNN.

    One image suffices, since the images of a batch are independent in eval mode.

    Args:
        module: In eval mode; it is converted to float64 in place.
        inputs: Batch first.
    """
    import torch

    from hwnas.backends.torch_session import flatten

    module = module.double()
    first = [_double(t[:1]) for t in inputs]
    other = [_double(t[:1].flip(-1) * 0.5 + 0.25) if t.is_floating_point() else t[:1] for t in inputs]
    with torch.inference_mode():
        outputs = tuple(t.numpy() for t in flatten(module(*first)))
        changed = [t.numpy() for t in flatten(module(*other))]
    response = max(
        (
            float(np.abs(a - b).max() / max(float(np.abs(a).max()), 1e-300))
            for a, b in zip(outputs, changed, strict=True)
        ),
        default=0.0,
    )
    return Reference(outputs, response)


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference; readers see all of it or nothing."""
    arrays: dict[str, Any] = {f"output{i}": o for i, o in enumerate(reference.outputs)}
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, response=np.float64(reference.response), **arrays)
    partial.replace(path)


def load_reference(path: Path) -> Reference:
    """Read what :func:`save_reference` wrote.

    Raises:
        OSError: There is no such file.
    """
    with np.load(path, allow_pickle=False) as data:
        outputs = tuple(data[f"output{i}"] for i in range(len(data.files) - 1))
        return Reference(outputs, float(data["response"]))


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
