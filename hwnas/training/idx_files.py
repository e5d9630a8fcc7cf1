"""IDX files, the format of MNIST and its kin; plain or compressed.

Source: Y. LeCun, C. Cortes, C. Burges. The MNIST database of handwritten digits, section "File formats": two
zero bytes, the type, the number of dimensions, their sizes as big-endian 32-bit integers, then the values.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import torch

from hwnas.core.errors import UsageError
from hwnas.core.resources import is_file

#: The type of unsigned bytes, which images and labels are made of.
_BYTES = 0x08
#: No set of small images is larger; a file that says so is damaged.
_MOST_BYTES = 2**34
_CUT_OFF = "Is the file cut off? Get it again"


def find_idx(folder: Path, name: str, hint: str) -> Path:
    """The file of that name, with or without ``.gz``.

    Raises:
        UsageError: Neither is there, or cannot be looked at.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if is_file(path):
            return path
    raise UsageError(f"the folder {folder} has neither {name} nor {name}.gz", hint)


def read_idx(path: Path, dimensions: int) -> torch.Tensor:
    """The values of a file of bytes.

    Args:
        path: Compressed if it ends in ``.gz``.
        dimensions: That it must have.

    Returns:
        uint8.

    Raises:
        UsageError: It cannot be read, is something else, or is shorter or longer than it says.
    """
    try:
        with cast(BinaryIO, gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")) as file:
            sizes = _sizes(file.read(4 + 4 * dimensions), path, dimensions)
            expected = math.prod(sizes)
            if expected > _MOST_BYTES:
                raise UsageError(f"{path} says that it holds {expected} values", "Is it damaged? Get it again")
            values = file.read(expected + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path} cannot be decompressed: {error}", _CUT_OFF) from error
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}", "Check its permissions"
        ) from error
    if len(values) != expected:
        more = "more" if len(values) > expected else str(len(values))
        raise UsageError(f"{path} should hold {expected} values, but holds {more}", _CUT_OFF)
    return torch.frombuffer(bytearray(values), dtype=torch.uint8).reshape(sizes)


def _sizes(header: bytes, path: Path, dimensions: int) -> tuple[int, ...]:
    if len(header) < 4 + 4 * dimensions and header[:2] == b"\0\0":
        raise UsageError(f"{path} ends within its header", _CUT_OFF)
    if header[:4] != bytes((0, 0, _BYTES, dimensions)):
        raise UsageError(
            f"{path} is not an IDX file of bytes in {dimensions} dimension(s)", "Give the file of that name"
        )
    sizes = struct.unpack(f">{dimensions}I", header[4:])
    if 0 in sizes:
        raise UsageError(f"{path} holds nothing: its sizes are {'x'.join(map(str, sizes))}", "Get it again")
    return sizes
