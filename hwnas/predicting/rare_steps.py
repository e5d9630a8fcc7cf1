"""What few networks are made of, put into few chains: upsampling, splits, gates, attention, linear layers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: Chains that get a rare step, and chains that end in linear layers as large as VGG's.
_SHARE, _LARGE_SHARE = 0.3, 0.02
#: VGG's last feature map, and the features behind it: 103 million weights between them.
_VGG_CHANNELS, _VGG_SIDE, _VGG_WIDTH = 512, 7, 4096
#: Most pixels that attend to each other, and channels.
_MOST_PIXELS, _MOST_CHANNELS = 14**2, 768
_MACS = 1e9


class Place(NamedTuple):
    """Between two steps of a chain.

    Args:
        parts: How many parts of its text stand before it.
        channels: Of what is there.
        size: Height and width.
    """

    parts: int
    channels: int
    size: int


def with_rare_steps(parts: Sequence[str], places: Sequence[Place]) -> list[str]:
    """A chain, in three of ten cases with a step that the known layers do not have.

    Which one follows from the chain's own text, so that drawing it takes nothing from the chain's generator:
    the others are what they were before there were such steps.

    Args:
        parts: Of its text.
        places: Where steps may be put in, in their order; the last is where the layers end.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:8], "big"))
    found = list(parts)
    if not places:
        return found
    last = places[-1]
    if rng.random() < _LARGE_SHARE:
        return [*found[: last.parts], *_large_classifier(last)]
    if rng.random() >= _SHARE:
        return found
    if rng.random() < 0.2:
        step = _enlarged(rng, last)
        return [*found[: last.parts], *step, *found[last.parts :]]
    place = places[int(rng.integers(len(places)))]
    return [*found[: place.parts], *_of_same_shape(rng, place), *found[place.parts :]]


def _large_classifier(place: Place) -> list[str]:
    before = [] if place.channels == _VGG_CHANNELS else [f"c{_VGG_CHANNELS}k1,n,r"]
    return [*before, f"p{_VGG_SIDE}", f"l{_VGG_WIDTH},r", f"l{_VGG_WIDTH},r", "l1000"]


def _enlarged(rng: np.random.Generator, place: Place) -> list[str]:
    """Upsampling with a convolution behind it, as where feature maps of several sizes meet."""
    out = max(8, place.channels // int(rng.choice([1, 2])))
    kind = str(rng.choice(["u", "U"]))
    if 36 * place.channels * out * place.size**2 > _MACS:
        return [f"{kind}2", f"c{out}k1,n,r"]
    return [f"{kind}2", f"c{out}k3,n,r"]


def _of_same_shape(rng: np.random.Generator, place: Place) -> list[str]:
    """A step that leaves channels and size as they are."""
    channels, pixels = place.channels, place.size**2
    steps = [[f"c{channels}k3g{channels},n", "*"], ["i3"], ["i5"]]
    if 2 * channels**2 * pixels < _MACS:
        steps += [[f"c{channels}k1,t", "*"], [f"c{2 * channels}k1,n,v"]]
    dividing = [n for n in (8, 4, 3, 2) if channels % n == 0]
    if dividing:
        steps.append([f"w{dividing[0] if dividing[0] != 8 else 4}"])
        if pixels <= _MOST_PIXELS and channels <= _MOST_CHANNELS:
            heads = int(rng.choice(dividing))
            # Each as likely as all gates together: it has most operators that nothing else has.
            steps += 2 * [[f"q{heads}", "+"], [f"Q{heads}", "+"]]
    return steps[int(rng.integers(len(steps)))]
