"""Networks as OpenVINO IR files."""

from __future__ import annotations

from pathlib import Path

import torch

from hwnas.backends.openvino_session import brief, ov
from hwnas.core.errors import CellError, UsageError


def write_ir(
    exported: torch.export.ExportedProgram,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
) -> None:
    """Write a network as OpenVINO IR in FP32, with static shapes.

    Args:
        exported: Of the network.
        inputs: Those that it was exported with.
        path: Of the ``.xml``; the weights go into a ``.bin`` beside it.

    Raises:
        CellError: OpenVINO cannot convert the network.
        UsageError: The files cannot be written.
    """
    try:
        model = ov.convert_model(exported)
        model.reshape(dict(zip(model.inputs, (list(t.shape) for t in inputs), strict=True)))
    except Exception as error:  # the converter raises many types, none of them public
        raise CellError(f"OpenVINO cannot convert the network: {brief(error)}") from error
    try:
        # By default it would round the weights to half precision.
        ov.save_model(model, path, compress_to_fp16=False)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{path} cannot be written: {brief(error)}", "Give another folder") from error
