"""Reference outputs: what a network means, computed once and shared by all arms.

They are computed in a process of their own, so that all arms come to their timing with the same
history of allocations.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Reference:
    """Reference outputs of the first image.

    Args:
        outputs: In the network's order, float64, each ``(1, ...)``.
        response: How much the outputs change with the input: max|y(x) - y(x')| / max|y(x)|.
        description: How they were computed.
    """

    outputs: tuple[np.ndarray, ...]
    response: float
    description: str


def reference_path(workload: Workload, scratch: Path) -> Path:
    """Where the workers of a campaign find a workload's reference."""
    return scratch / f"reference-{workload.key}.npz"


def compute_reference(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Reference:
    """Run the module in double precision, on kernels that no arm at FP32 uses.

    One image suffices, since the images of a batch are independent in eval mode. A network that
    insists on its batch gets all of it, and one that insists on float32 runs in it with oneDNN off.

    Args:
        module: In eval mode; it is converted in place.
        inputs: Batch first.
    """
    import torch

    # torch's own context manager for this sets a switch of Intel GPUs too, and warns of it.
    before = torch.backends.mkldnn.set_flags(_enabled=False)
    try:
        return _first_that_runs(module, inputs)
    finally:
        torch.backends.mkldnn.set_flags(_enabled=before[0])


def _first_that_runs(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> Reference:
    import torch

    failure: Exception | None = None
    for double, images in ((True, 1), (True, None), (False, None)):
        module = module.double() if double else module.float()
        with torch.inference_mode():
            try:
                outputs = _run(module, inputs, images, double, lambda t: t)
                changed = _run(module, inputs, images, double, lambda t: t.flip(-1) * 0.5 + 0.25)
            except (RuntimeError, ValueError, TypeError, AssertionError) as error:
                failure = error
                continue
        pairs = zip(outputs, changed, strict=True)
        response = max((_relative_change(a, b) for a, b in pairs), default=0.0)
        precision = "float64" if double else "float32 with oneDNN off"
        part = "first image of the batch" if images else "whole batch"
        return Reference(outputs, response, f"PyTorch in {precision}, {part}")
    first = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    raise UsageError(
        f"the network cannot run on its own input: {first[:200]}", "Change --input, or mend the model"
    )


def _run(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    images: int | None,
    double: bool,
    change: Callable[[torch.Tensor], torch.Tensor],
) -> tuple[np.ndarray, ...]:
    from hwnas.backends.torch_session import flatten

    given = []
    for tensor in inputs:
        part = tensor[:images]
        if part.is_floating_point():
            part = change(part.double() if double else part.float())
        given.append(part)
    # Masks and labels as well: NumPy does not subtract truth values.
    return tuple((t if t.is_complex() else t.double()).numpy() for t in flatten(module(*given)))


def _relative_change(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / max(float(np.abs(one).max()), 1e-300))


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference; readers see all of it or nothing."""
    arrays: dict[str, Any] = {f"output{i}": o for i, o in enumerate(reference.outputs)}
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(
        partial, response=np.float64(reference.response), description=np.str_(reference.description), **arrays
    )
    partial.replace(path)


def load_reference(path: Path) -> Reference:
    """Read what :func:`save_reference` wrote.

    Raises:
        OSError: There is no such file.
    """
    with np.load(path, allow_pickle=False) as data:
        outputs = tuple(data[f"output{i}"] for i in range(len(data.files) - 2))
        return Reference(outputs, float(data["response"]), str(data["description"]))
