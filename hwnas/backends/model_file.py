"""Looking into ONNX and OpenVINO IR files before a campaign is planned on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwnas.core.errors import UsageError


def check_model_file(path: Path, input_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """The input shape to measure a model file with.

    Args:
        path: ONNX or OpenVINO IR file.
        input_shape: Shape asked for, batch first; None for the static one that the file states.

    Raises:
        MissingDependency: OpenVINO is not installed.
        UsageError: The file cannot be read, has several inputs, states no static shape, or does not
            take the shape asked for.
    """
    from hwnas.backends.openvino_session import brief, ov

    if not path.is_file():
        raise UsageError(f"there is no file {path}", "Give the path of an ONNX or OpenVINO IR file")
    try:
        with _silenced_native_errors():
            model = ov.Core().read_model(path)
    except RuntimeError as error:
        raise UsageError(
            f"cannot read {path}: {brief(error)}", "Give a valid ONNX or OpenVINO IR file"
        ) from error
    if len(model.inputs) != 1:
        raise UsageError(f"{path} has {len(model.inputs)} inputs", "Give a network with one input")
    stated = model.inputs[0].partial_shape
    if input_shape is None:
        if stated.is_dynamic:
            raise UsageError(f"{path} takes {stated}, which is not static", "Give the shape with --input")
        return tuple(int(d) for d in stated.to_shape())
    try:
        model.reshape(list(input_shape))
    except RuntimeError as error:
        given = "x".join(map(str, input_shape))
        raise UsageError(f"{path} takes {stated}, not {given}", "Change --input") from error
    return input_shape


@contextmanager
def _silenced_native_errors() -> Iterator[None]:
    """OpenVINO tries every format in turn, and some of their parsers write to standard error themselves."""
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
