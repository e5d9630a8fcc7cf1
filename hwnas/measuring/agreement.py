"""The proof, before any timing, that an arm computes what the network means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwnas.core.errors import AgreementError
from hwnas.core.measurement import Agreement
from hwnas.measuring.reference import Reference

#: Two different inputs should give outputs that differ by at least this, relative to the largest
#: output. Below it the network ignores its input, and equal outputs prove little.
_SMALLEST_RESPONSE = 1e-2


def prove_agreement(outputs: Sequence[np.ndarray], reference: Reference | None, tolerance: float) -> Agreement:
    """Compare outputs with the reference.

    Args:
        outputs: What the arm computed, each ``(batch, ...)``.
        reference: Outputs of the first image; None for a model file.
        tolerance: Largest accepted max|y - y_ref| / max|y_ref|.

    Raises:
        AgreementError: The outputs differ or are not finite.
    """
    if not all(np.isfinite(found).all() for found in outputs):
        raise AgreementError("the output holds values that are not finite")
    if reference is None:
        reason = "a model file runs on OpenVINO alone, so there is nothing to compare it with"
        return Agreement(True, None, tolerance, "none", reason)
    if not reference.outputs:
        raise AgreementError(
            "the network returns no tensor that could be compared",
            "Return tensors, tuples, lists or dictionaries",
        )
    if len(outputs) != len(reference.outputs):
        raise AgreementError(f"{len(outputs)} outputs instead of {len(reference.outputs)}")
    error = max(_relative_error(*pair) for pair in zip(outputs, reference.outputs, strict=True))
    if not error <= tolerance:
        raise AgreementError(
            f"outputs differ from the reference by {error:.2e} of the largest value; allowed: {tolerance:.0e}"
        )
    weak = ""
    if not reference.response >= _SMALLEST_RESPONSE:
        weak = (
            f"equal outputs prove little: they hardly depend on the input (relative change "
            f"{reference.response:.1e}); give the model trained weights"
        )
    return Agreement(True, error, tolerance, reference.description, weak)


def check_effective(backend_id: str, threads: int, effective: Mapping[str, Any]) -> None:
    """Compare what took effect with what was asked for.

    Args:
        backend_id: Its last part names the precision.
        threads: Threads asked for; devices other than the CPU have none to compare.
        effective: What the runtime reports.

    Raises:
        AgreementError: Threads, streams or precision are others than those asked for.
    """
    precision = backend_id.rpartition(":")[2].replace("fp", "f")
    wanted = {"threads": threads, "streams": 1, "precision": precision}
    for name, value in wanted.items():
        found = effective.get(name)
        if found is not None and str(found) != str(value):
            raise AgreementError(f"{backend_id} runs with {name} {found} where {value} was asked for")


def _relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    if not np.isfinite(expected).all():
        raise AgreementError(
            "the reference output holds values that are not finite", "Check the model's weights"
        )
    found, expected = np.atleast_1d(found), np.atleast_1d(expected)
    first = found[: expected.shape[0]]
    if first.shape != expected.shape:
        raise AgreementError(f"output shape {first.shape} instead of {expected.shape}")
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(first - expected).max()) / scale
