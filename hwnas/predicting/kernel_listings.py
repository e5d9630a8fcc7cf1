"""What the kernels of one network take and miss, from every campaign that has listed them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hwnas.core.kernel import Kernel
from hwnas.predicting.kernel_facts import route_of

#: Attribute of a kernel: cache geometry -> its modelled misses.
_MISSES = "llc_misses"


def times_in_place(listings: Sequence[Sequence[Kernel]]) -> tuple[float | None, ...]:
    """Time of each kernel of the newest listing [s]; None where no listing tells it.

    A campaign lists a network's kernels once, at whatever speed the host has then, and a slow host slows some
    of them more than others. So a kernel's share is the median over the listings with the same kernels, and
    what shares are of is the median of their sums.

    Args:
        listings: One or more of the same network, oldest first.
    """
    newest = listings[-1]
    sums = [(listing, sum(k.time_s or 0.0 for k in listing)) for listing in _alike(listings)]
    timed = [(listing, total) for listing, total in sums if total > 0]
    if len(timed) < 2:
        return tuple(k.time_s for k in (timed[0][0] if timed else newest))
    whole = statistics.median(total for _, total in timed)
    found: list[float | None] = []
    for position in range(len(newest)):
        times = [(listing[position].time_s, total) for listing, total in timed]
        shares = [time_s / total for time_s, total in times if time_s is not None]
        found.append(whole * statistics.median(shares) if shares else None)
    return tuple(found)


def with_known_misses(listings: Sequence[Sequence[Kernel]]) -> tuple[Kernel, ...]:
    """The newest listing, with the misses that any listing of the same kernels has modelled.

    Not every campaign models them, nor all on the same caches; where several do, the newest counts.

    Args:
        listings: One or more of the same network, oldest first.
    """
    alike = _alike(listings)
    found = []
    for position, kernel in enumerate(listings[-1]):
        misses = {g: count for listing in alike for g, count in _misses(listing[position]).items()}
        found.append(replace(kernel, attributes={**kernel.attributes, _MISSES: misses}) if misses else kernel)
    return tuple(found)


def times_and_misses(listing: Sequence[Kernel]) -> tuple[Kernel, ...]:
    """Kernels without what is of use in the newest listing alone, which takes most of their memory."""
    return tuple(
        replace(k, fused=(), attributes={_MISSES: k.attributes[_MISSES]} if _MISSES in k.attributes else {})
        for k in listing
    )


def _alike(listings: Sequence[Sequence[Kernel]]) -> list[Sequence[Kernel]]:
    """Those in which the same ran in the same order as in the newest, which is the last of them."""
    newest = _what_ran(listings[-1])
    return [listing for listing in listings if _what_ran(listing) == newest]


def _what_ran(listing: Sequence[Kernel]) -> list[tuple[str, str, str]]:
    # Of PyTorch's operators but convolutions, how long the operators inside them took decides which of these is
    # named as the implementation: on a busy host the same network is listed differently.
    return [(k.name, k.type, route_of(k)) for k in listing]


def _misses(kernel: Kernel) -> Mapping[str, float]:
    found: Mapping[str, float] = kernel.attributes.get(_MISSES) or {}
    return found
