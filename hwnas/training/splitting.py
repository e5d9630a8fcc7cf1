"""Parts of data in which every class has its share."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hwnas.core.errors import UsageError
from hwnas.training.image_data import Part

#: One image in so many is held out for validation, and as many for the test, where the data do not say which.
_HELD_OUT = 5
#: More do not make an accuracy much surer, and cost time after every epoch.
_MOST_HELD_OUT = 5000


def fair_order(labels: torch.Tensor, seed: int) -> torch.Tensor:
    """A random order of the images in which every class has its share of any first few.

    The images of a class are shuffled and spread evenly over the whole.

    Args:
        labels: int64, ``(n,)``.
        seed: The same one gives the same order.

    Returns:
        Places, ``(n,)``.
    """
    source = torch.Generator().manual_seed(seed)
    place = torch.empty(len(labels), dtype=torch.float64)
    for label in sorted(set(labels.tolist())):
        members = (labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=source)]
        start = torch.rand(1, generator=source, dtype=torch.float64)
        place[members] = (torch.arange(len(members), dtype=torch.float64) + start) / len(members)
    return place.argsort(stable=True)


def held_out(part: Part) -> int:
    """How many images of a whole make a part of their own: a fifth, at most 5000."""
    return min(len(part) // _HELD_OUT, _MOST_HELD_OUT)


def hold_out(part: Part, count: int, seed: int) -> tuple[Part, Part]:
    """A part without `count` images, and those images; both in their old order."""
    order = fair_order(part.labels, seed)
    return part.take(order[count:].sort().values), part.take(order[:count].sort().values)


def check_classes(name: str, parts: dict[str, Part], class_names: Sequence[str]) -> None:
    """Refuse data in which a class has no image in some part.

    Args:
        name: Of the data, for messages.
        parts: By name.
        class_names: In the order of the labels.

    Raises:
        UsageError: There are fewer than two classes, or a class has too few images.
    """
    if len(class_names) < 2:
        raise UsageError(f"{name} has {len(class_names)} class(es)", "Give images of at least two")
    counts = {
        where: torch.bincount(part.labels, minlength=len(class_names)).tolist() for where, part in parts.items()
    }
    for label, name_of_class in enumerate(class_names):
        for where, found in counts.items():
            if not found[label]:
                total = sum(of_part[label] for of_part in counts.values())
                raise UsageError(
                    f"the class {name_of_class} of {name} has too few images: {total} in all, none for {where}",
                    "Give every class at least 10, or folders train, val and test with some of each",
                )
