"""Which networks are variants of one design, told by their names."""

from __future__ import annotations

import re
from pathlib import PurePath

#: Words before a design's name that say who ported it or what was added to it.
_BEFORE = frozenset({"legacy", "tf", "gluon", "ssl", "swsl", "nf", "dm", "ese", "eca", "gc"})
#: Words before a design's name that make it another one.
_ANOTHER = frozenset({"wide"})
#: Squeeze-and-excitation and its like, blurs and other additions are variants; a block that replaces the
#: convolutions (ResNeXt, Res2Net, ResNeSt, SKNet) makes another design.
_ADDED = re.compile(r"(?:se|eca|gc)?(resnet|resnext|mnasnet)(?:aa|blur|rs|light)?")
#: Names of one design that do not begin alike.
_ALIASES = {
    "fbnetc": "fbnet",
    "googlenet": "inception",
    "regnetv": "regnet",
    "regnetx": "regnet",
    "regnety": "regnet",
    "regnetz": "regnet",
    "rexnetr": "rexnet",
}


def design_of(name: str) -> str:
    """The design of a named network, such as ``convnext`` of ``convnextv2_atto.fcmae``.

    Its first word without a version, a size or what was added: sizes are words or numbers of their own
    (``convnext_tiny``, ``mobilenet_v3_small``, ``resnet50``), and versions count as one design.

    Args:
        name: As torchvision, timm or the zoo calls it, or a model's file.
    """
    words = PurePath(name).name.lower().partition(".")[0].split("_")
    while len(words) > 1 and words[0] in _BEFORE:
        del words[0]
    kept = []
    while len(words) > 1 and words[0] in _ANOTHER:
        kept.append(words.pop(0))
    # timm's mobilenetv2_100 is torchvision's mobilenet_v2. The numbers in Res2Net and CS3 are no sizes.
    match = re.match(r"res2nex?t|[a-z]+?(?=v\d|\d|$)", re.sub("^cs3", "csp", words[0]))
    word = match[0] if match else words[0]
    added = _ADDED.fullmatch(word)
    word = added[1] if added else word
    return "_".join((*kept, _ALIASES.get(word, word)))
