"""The proof, before any timing, that an arm computes what the network means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwnas.core.errors import AgreementError
from hwnas.core.measurement import Agreement
from hwnas.measuring.reference import DESCRIPTION, Reference

#: Two different inputs must give outputs that differ by at least this, relative to the largest
#: output. Below it the network ignores its input, and equal outputs would prove nothing.
_SMALLEST_RESPONSE = 1e-2


def prove_agreement(outputs: Sequence[np.ndarray], reference: Reference | None, tolerance: float) -> Agreement:
    """Compare outputs with the reference.

    Args:
        outputs: What the arm computed, each ``(batch, ...)``.
        reference: Outputs of the first image; None for a model file.
        tolerance: Largest accepted max|y - y_ref| / max|y_ref|.

    Raises:
        AgreementError: The outputs differ, are not finite, or do not depend on the input.
    """
    if not all(np.isfinite(found).all() for found in outputs):
        raise AgreementError("the output holds values that are not finite")
    if reference is None:
        reason = "a model file runs on OpenVINO alone, so there is nothing to compare it with"
        return Agreement(True, None, tolerance, "none", reason)
    if reference.response < _SMALLEST_RESPONSE:
        raise AgreementError(
            f"the output hardly depends on the input (relative change {reference.response:.1e}), "
            "so agreement cannot be proved",
            "Give the model trained weights or an initialisation that keeps the variance",
        )
    if len(outputs) != len(reference.outputs):
        raise AgreementError(f"{len(outputs)} outputs instead of {len(reference.outputs)}")
    error = max(
        (_relative_error(found, expected) for found, expected in zip(outputs, reference.outputs, strict=True)),
        default=0.0,
    )
    if error > tolerance:
        raise AgreementError(
            f"outputs differ from the reference by {error:.2e} of the largest value; allowed: {tolerance:.0e}"
        )
    return Agreement(True, error, tolerance, DESCRIPTION)


def _relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    first = found[: expected.shape[0]]
    if first.shape != expected.shape:
        raise AgreementError(f"output shape {first.shape} instead of {expected.shape}")
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(first - expected).max()) / scale
