"""The proof, before any timing, that an arm computes what the network means."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwnas.backends.protocol import Program
from hwnas.core.errors import AgreementError
from hwnas.core.measurement import Agreement
from hwnas.core.workload import Workload

if TYPE_CHECKING:
    import torch

REFERENCE = "PyTorch in float64, first image of the batch"

#: Two different inputs must give outputs that differ by at least this, relative to the largest
#: output. Below it the network ignores its input, and equal outputs would prove nothing.
_SHORTEST_RESPONSE = 1e-2


def prove_agreement(
    program: Program, outputs: list[np.ndarray], tolerance: float, workload: Workload, scratch: Path
) -> Agreement:
    """Compare outputs with the reference.

    The reference is the same module in double precision, which no measured arm uses: it runs on
    PyTorch's own kernels without oneDNN. One image suffices, since images of a batch are
    independent in eval mode. Workers of a campaign share it through `scratch`.

    Args:
        program: The network and its inputs.
        outputs: What the arm computed, each ``(batch, ...)``.
        tolerance: Largest accepted max|y - y_ref| / max|y_ref|.
        workload: Names the reference in `scratch`.
        scratch: Folder for reference outputs.

    Raises:
        AgreementError: The outputs differ, or do not depend on the input.
    """
    if program.module is None:
        return Agreement(
            True,
            None,
            tolerance,
            "none",
            "a model file runs on OpenVINO alone, so there is nothing to compare it with",
        )
    reference, response = _reference(program, workload, scratch)
    if response < _SHORTEST_RESPONSE:
        raise AgreementError(
            f"the output hardly depends on the input (relative change {response:.1e}), "
            "so agreement cannot be proved",
            "Give the model trained weights or an initialisation that keeps the variance",
        )
    if len(outputs) != len(reference):
        raise AgreementError(f"{len(outputs)} outputs instead of {len(reference)}")
    error = 0.0
    for found, expected in zip(outputs, reference, strict=True):
        first = found[: expected.shape[0]]
        if first.shape != expected.shape:
            raise AgreementError(f"output shape {first.shape} instead of {expected.shape}")
        if not np.isfinite(first).all():
            raise AgreementError("the output holds values that are not finite")
        scale = float(np.abs(expected).max()) or 1.0
        error = max(error, float(np.abs(first - expected).max()) / scale)
    if error > tolerance:
        raise AgreementError(
            f"outputs differ from the reference by {error:.2e} of the largest value; allowed: {tolerance:.0e}"
        )
    return Agreement(True, error, tolerance, REFERENCE)


def _reference(program: Program, workload: Workload, scratch: Path) -> tuple[list[np.ndarray], float]:
    """Reference outputs of the first image, and how much they respond to another input."""
    cached = scratch / f"reference-{workload.key}.npz"
    if cached.is_file():
        with np.load(cached, allow_pickle=False) as data:
            return [data[f"output{i}"] for i in range(len(data.files) - 1)], float(data["response"])
    outputs, response = _compute(program)
    partial = cached.with_suffix(f".{os.getpid()}.npz")
    arrays: dict[str, Any] = {f"output{i}": o for i, o in enumerate(outputs)}
    np.savez(partial, response=np.float64(response), **arrays)
    partial.replace(cached)
    return outputs, response


def _compute(program: Program) -> tuple[list[np.ndarray], float]:
    import torch

    from hwnas.backends.torch_session import flatten

    if program.module is None:
        raise AgreementError("no module to compute a reference with")
    module = copy.deepcopy(program.module).double()
    inputs = [_double(t[:1]) for t in program.inputs]
    other = [_double(t[:1].flip(-1) * 0.5 + 0.25) if t.is_floating_point() else t[:1] for t in program.inputs]
    with torch.inference_mode():
        first = [t.numpy() for t in flatten(module(*inputs))]
        second = [t.numpy() for t in flatten(module(*other))]
    response = max(
        (
            float(np.abs(a - b).max() / max(float(np.abs(a).max()), 1e-300))
            for a, b in zip(first, second, strict=True)
        ),
        default=0.0,
    )
    return first, response


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
