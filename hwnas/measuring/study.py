"""Several campaigns that share one budget of time: the whole study, as far as a night goes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from hwnas.core.workload import Workload
from hwnas.measuring.campaign import Campaign, Outcome
from hwnas.measuring.undecided import widths_over_wanted
from hwnas.store import LatencyStore

#: The study's experiments with their threads; None stands for the file's.
STUDY: tuple[tuple[str, str | None], ...] = (
    ("depth", None),
    ("width", None),
    ("cache_depth", None),
    ("cache_width", None),
    ("networks", None),
    ("networks", "all"),
)

#: Workloads of one further pass: enough to be worth the start of its processes.
_AT_ONCE = 8
#: Relative half width of a speedup's interval that is narrow enough.
_NARROW = 0.01


class Study:
    """Runs campaigns one after the other or, with a budget, as evenly as it allows.

    With a budget every campaign gets its first pass before any gets its second, the quickest campaign first;
    once the planned passes are over and cache misses are counted, what is left of the time goes to further
    passes of the workloads with the widest intervals. Campaigns of a single pass get no further ones: they are
    there to count misses, or one pass was all that was asked for.

    Args:
        campaigns: Those that share the budget.
        store: Where they keep their results.
        budget_s: Time for all of them [s], or None for as long as they take. The last group may end a little
            later, and so may cache misses: those of the processor and of the model are counted in any case, and
            a simulation starts where it is expected to end in time.
    """

    def __init__(self, campaigns: Sequence[Campaign], store: LatencyStore, budget_s: float | None) -> None:
        self._campaigns = campaigns
        self._store = store
        self._budget_s = budget_s

    def run(self, *, fresh: bool = False) -> list[Outcome]:
        """Measure what is not in the database yet.

        Args:
            fresh: Start a new generation of every campaign.

        Returns:
            One outcome a campaign, in their order.

        Raises:
            DatabaseError: The results cannot be stored; what was stored before stays.
        """
        if self._budget_s is None:
            return [campaign.run(fresh=fresh) for campaign in self._campaigns]
        until = time.monotonic() + self._budget_s
        with ExitStack() as stack:
            outcomes = [stack.enter_context(c.opened(fresh=fresh)) for c in self._campaigns]
            self._planned(until)
            for campaign in self._campaigns:
                campaign.count(until)
            self._widest_first([o.campaign_uid for o in outcomes], until)
        return outcomes

    def _planned(self, until: float) -> None:
        quickest_first = sorted(self._campaigns, key=lambda c: c.plan.remaining_s())
        for pass_index in range(max(c.plan.experiment.settings.passes for c in self._campaigns)):
            for campaign in quickest_first:
                if pass_index < campaign.plan.experiment.settings.passes:
                    campaign.measure(campaign.plan.groups(pass_index), until)
        for campaign in quickest_first:
            while groups := campaign.plan.catching_up():
                if not campaign.measure(groups, until):
                    break

    def _widest_first(self, uids: Sequence[str], until: float) -> None:
        # In parts of what is narrow enough, so that speedups and latencies compare.
        widths: dict[tuple[int, Workload], float] = {}
        # What a further pass told nothing of, since an arm that was measured once fails or is refused now.
        fruitless: set[tuple[int, Workload]] = set()
        stale = [
            list(c.plan.complete()) if c.plan.experiment.settings.passes > 1 else [] for c in self._campaigns
        ]
        while time.monotonic() < until:
            for place, campaign in enumerate(self._campaigns):
                found = widths_over_wanted(
                    self._store,
                    uids[place],
                    stale[place],
                    campaign.plan.arms,
                    half_width=_NARROW,
                    latency_half_width=campaign.plan.experiment.settings.latency_half_width,
                    reference=campaign.reference(),
                )
                for workload, width in found.items():
                    if widths.get((place, workload)) == width:
                        fruitless.add((place, workload))
                    widths[place, workload] = width
            stale = [[] for _ in self._campaigns]
            wide = [key for key, width in widths.items() if width > 1 and key not in fruitless]
            if not wide:
                return
            # One campaign at a time: that of the widest interval, with the widest of its own.
            place, _ = max(wide, key=lambda key: widths[key])
            own = sorted((w for p, w in wide if p == place), key=lambda w: -widths[place, w])[:_AT_ONCE]
            stale[place] = own
            campaign = self._campaigns[place]
            if not campaign.measure(campaign.plan.further(own), until):
                return
