"""Looking into ONNX and OpenVINO IR files before a campaign is planned on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwnas.core.errors import UsageError
from hwnas.core.resources import is_file

#: OpenVINO counts in 63 bits, and a batch is one of several sizes.
_LARGEST_BATCH = 2**48


def check_model_file(
    path: Path, input_shape: tuple[int, ...] | None, batch: int | None = None
) -> tuple[int, ...]:
    """The input shape to measure a model file with.

    Args:
        path: ONNX or OpenVINO IR file.
        input_shape: Shape asked for, batch first; None for the one that the file states.
        batch: Replaces the first dimension; None leaves it.

    Raises:
        MissingDependency: OpenVINO is not installed.
        UsageError: The file cannot be read, has several inputs or one that is not float32, states no
            static shape, or does not take the shape asked for.
    """
    from hwnas.backends.openvino_session import brief, ov

    if batch is not None and batch > _LARGEST_BATCH:
        raise UsageError(f"the batch {batch} is too large for {path}", "Give a smaller --batch")
    if not is_file(path):
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
    element = model.inputs[0].get_element_type()
    if element != ov.Type.f32:
        raise UsageError(f"{path} takes {element.get_type_name()} values", "Give a network that takes float32")
    stated = model.inputs[0].partial_shape
    asked = stated if input_shape is None else ov.PartialShape(list(input_shape))
    if batch is not None and asked.rank.is_static and len(asked) > 0:
        asked = ov.PartialShape([ov.Dimension(batch), *list(asked)[1:]])
    if asked.is_dynamic:
        raise UsageError(f"{path} takes {stated}, which is not static", "Give the shape with --input")
    shape = tuple(int(d) for d in asked.to_shape())
    if asked == stated:
        return shape
    try:
        model.reshape(asked)
    except RuntimeError as error:
        given = "x".join(map(str, shape))
        raise UsageError(f"{path} takes {stated}, not {given}", "Change --input or --batch") from error
    return shape


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
