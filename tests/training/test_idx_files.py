"""IDX files: what they hold is read, and what is wrong with one is said."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_up_images import idx_bytes

from hwnas.core.errors import UsageError
from hwnas.training.idx_files import find_idx, read_idx

VALUES = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file is to be written."""
    return tmp_path / "images"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_values_come_back(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    folder = tmp_path_factory.mktemp("idx")
    values = torch.randint(0, 256, sizes, dtype=torch.uint8)
    (folder / "plain").write_bytes(idx_bytes(values))
    (folder / "packed.gz").write_bytes(gzip.compress(idx_bytes(values)))
    for name in ("plain", "packed.gz"):
        assert torch.equal(read_idx(folder / name, len(sizes)), values)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x08", "ends within its header"),
        (idx_bytes(VALUES)[:12], "ends within its header"),
        (idx_bytes(VALUES)[:-1], "should hold 24 values, but holds 23"),
        (idx_bytes(VALUES) + b"\0", "should hold 24 values, but holds more"),
        (idx_bytes(VALUES[0]), "not an IDX file of bytes in 3 dimension"),
        (b"\0\0\x0d\x03" + idx_bytes(VALUES)[4:], "not an IDX file of bytes"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 0, 4), "holds nothing: its sizes are 2x0x4"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, *(3 * (2**32 - 1,))), "values. Is it damaged?"),
        (b"<!DOCTYPE html><html></html>", "not an IDX file"),
    ],
)
def test_what_is_wrong_is_said(path: Path, data: bytes, words: str) -> None:
    path.write_bytes(data)
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(data))
    for file in (path, packed):
        with pytest.raises(UsageError, match=re.escape(words)) as caught:
            read_idx(file, 3)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [3, 30, -5, -1])
def test_a_compressed_file_that_is_cut_off(path: Path, cut: int) -> None:
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(idx_bytes(VALUES))[:cut])
    with pytest.raises(UsageError, match="cut off"):
        read_idx(packed, 3)


def test_a_file_that_is_not_compressed_in_spite_of_its_name(path: Path) -> None:
    path.with_suffix(".gz").write_bytes(idx_bytes(VALUES))
    with pytest.raises(UsageError, match="cannot be decompressed"):
        read_idx(path.with_suffix(".gz"), 3)


def test_either_name_is_found_and_the_plain_one_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither images nor images\.gz\. Get them"):
        find_idx(tmp_path, "images", "Get them")
    (tmp_path / "images.gz").touch()
    assert find_idx(tmp_path, "images", "") == tmp_path / "images.gz"
    (tmp_path / "images").touch()
    assert find_idx(tmp_path, "images", "") == tmp_path / "images"
