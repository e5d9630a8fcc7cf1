"""Augmentation moves and mirrors each image by itself, and does nothing else."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional

from hwnas.training.augmentation import Augmentation


def _source() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def images() -> torch.Tensor:
    """Many copies of one image, each pixel of which is different."""
    return (1 + torch.arange(2 * 3 * 4, dtype=torch.uint8)).reshape(1, 2, 3, 4).repeat(400, 1, 1, 1)


def _moved(image: torch.Tensor, down: int, right: int, *, mirrored: bool) -> bytes:
    padded = functional.pad(image.flip(2) if mirrored else image, (1, 1, 1, 1))
    return padded[:, 1 - down : 4 - down, 1 - right : 5 - right].contiguous().numpy().tobytes()


@pytest.mark.parametrize("flip", [False, True])
def test_every_move_comes_up_and_nothing_else_does(images: torch.Tensor, flip: bool) -> None:
    found = Augmentation(shift=1, flip=flip)(images, _source())
    assert found.shape == images.shape
    assert found.dtype == torch.uint8
    moves = itertools.product((-1, 0, 1), (-1, 0, 1), (False, True) if flip else (False,))
    expected = {_moved(images[0], down, right, mirrored=m) for down, right, m in moves}
    assert {image.contiguous().numpy().tobytes() for image in found} == expected


def test_without_a_shift_half_are_mirrored(images: torch.Tensor) -> None:
    found = Augmentation(flip=True)(images, _source())
    mirrored = (found == images.flip(3)).flatten(1).all(1)
    assert 150 < int(mirrored.sum()) < 250
    assert torch.equal(found[~mirrored], images[~mirrored])


def test_nothing_changes_without_settings(images: torch.Tensor) -> None:
    assert torch.equal(Augmentation()(images, _source()), images)


def test_the_same_source_gives_the_same(images: torch.Tensor) -> None:
    augmentation = Augmentation(2, flip=True)
    source = _source()
    first = augmentation(images, source)
    assert torch.equal(first, augmentation(images, _source()))
    assert not torch.equal(first, augmentation(images, source))
