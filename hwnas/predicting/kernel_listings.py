"""What the kernels of one network take, from every campaign that has listed them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from hwnas.core.kernel import Kernel


def times_in_place(listings: Sequence[Sequence[Kernel]]) -> tuple[float | None, ...]:
    """Time of each kernel of the newest listing [s]; None where no listing tells it.

    A campaign lists a network's kernels once, at whatever speed the host has then, and a slow host slows some
    of them more than others. So a kernel's share is the median over the listings with the same kernels, and
    what shares are of is the median of their sums.

    Args:
        listings: One or more of the same network, oldest first.
    """
    newest = listings[-1]
    sums = [(listing, sum(k.time_s or 0.0 for k in listing)) for listing in listings if _same(listing, newest)]
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


def _same(listing: Sequence[Kernel], other: Sequence[Kernel]) -> bool:
    """Whether the same implementations ran in the same order."""
    return _what_ran(listing) == _what_ran(other)


def _what_ran(listing: Sequence[Kernel]) -> list[tuple[str, str, str]]:
    return [(k.name, k.type, k.implementation) for k in listing]
