"""The latency table of a search space: every part in every combination of its choices, predicted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from hwnas.core.errors import UsageError
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.predicting.part_keys import pieces_of, with_squeezing
from hwnas.predicting.part_listing import PartListing
from hwnas.predicting.table_correction import correction
from hwnas.workloads.spaces.space import Part, PartModule, Space

if TYPE_CHECKING:
    from hwnas.predicting.predictor import LatencyPredictor


def space_table(
    predictor: LatencyPredictor,
    space: Space,
    *,
    batch: int = 1,
    whole_networks: int = 20,
    processes: int = 1,
    told: Callable[[str], None] = lambda text: None,
) -> LatencyTable:
    """Predict every part of a space.

    A part is listed by itself: the reorders by which it would be entered and left alone are not in the network
    and are left out. Parts that are the same module on the same shapes are listed once. Some architectures are
    then predicted as a whole, and a factor brings the table to them.

    Args:
        predictor: Of a backend that this host can list kernels for.
        space: What to tabulate.
        batch: Images in one inference.
        whole_networks: Architectures that are predicted as a whole; 0 leaves the table as it is.
        processes: That list parts, this one among them.
        told: Called with what is being done, with operators that were never seen in training, and where no
            whole network can be predicted.

    Raises:
        BackendUnavailable: The backend cannot list kernels here.
        CellError: A part cannot be compiled.
        UsageError: The batch is below 1.
    """
    if batch < 1:
        raise UsageError(f"batch is {batch}", "Give the number of images in one inference")
    squeezing = with_squeezing(space)
    parts = space.parts()
    asked: list[list[_Pieces]] = []
    factors: list[Factor] = []
    constant_s = 0.0
    with PartListing(predictor, batch, processes=processes) as listing:
        for number, part in enumerate(parts, 1):
            told(f"part {number} of {len(parts)}: {part.name}, {space.combination_count(part)} combinations")
            # One at a time: all combinations of a part of wide layers are gigabytes.
            asked.append(
                [
                    _asked(listing, space.part_module(part, options), squeezing=squeezing)
                    for options in space.combinations(part)
                ]
            )
        for part, combinations in zip(parts, asked, strict=True):
            if part.choices:
                factors += _factors(space, part, combinations, listing)
            else:
                constant_s += sum(listing.seconds(place) for place, _ in combinations[0].values())
    guessed = sorted(listing.unseen)
    if guessed:
        told(f"never seen in training, and guessed from other kernels: {', '.join(guessed)}")
    table = _table(predictor, space, factors, constant_s, batch, None, guessed)
    found = correction(predictor, space, table, whole_networks, told) if whole_networks else None
    if found is None:
        if whole_networks:
            told("no whole network of the space can be predicted: the table is the sum of its parts, as it is")
        return table
    factors = [Factor(f.name, f.choices, found.factor * f.seconds, f.keys) for f in table.factors]
    return _table(predictor, space, factors, found.factor * constant_s, batch, found.deviation, guessed)


#: Name of a piece -> where its latency is found, and its key in lookup tables.
_Pieces = dict[str, tuple[str, str | None]]


def _asked(listing: PartListing, part: PartModule | None, *, squeezing: bool) -> _Pieces:
    if part is None:
        return {}
    return {p.name: (listing.ask(p.part), p.key) for p in pieces_of(part, squeezing=squeezing)}


def _factors(
    space: Space, part: Part, combinations: Sequence[_Pieces], listing: PartListing
) -> Iterator[Factor]:
    """One for each piece of a part: nearly always one."""
    shape = [len(space.choice(name).options) for name in part.choices]
    for name in dict.fromkeys(name for own in combinations for name in own):
        seconds = [listing.seconds(own[name][0]) if name in own else 0.0 for own in combinations]
        keys = [own[name][1] if name in own else None for own in combinations]
        yield Factor(
            f"{part.name} {name}".strip(),
            part.choices,
            torch.tensor(seconds, dtype=torch.float64).reshape(shape),
            keys if any(keys) else None,
        )


def _table(
    predictor: LatencyPredictor,
    space: Space,
    factors: Sequence[Factor],
    constant_s: float,
    batch: int,
    deviation: float | None,
    guessed: Sequence[str],
) -> LatencyTable:
    return LatencyTable(
        {choice.name: choice.options for choice in space.choices},
        factors,
        constant_s,
        backend=predictor.backend,
        host=f"{predictor.environment.cpu_model} ({predictor.environment.fingerprint})",
        batch=batch,
        deviation=deviation,
        space_digest=space.digest,
        guessed=guessed,
    )
