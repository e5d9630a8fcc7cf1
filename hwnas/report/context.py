"""What a report must say besides its numbers: where, with what and how they were measured."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import shorten

from hwnas.core.measurement import Status
from hwnas.measuring.busy import MOST_PREEMPTIONS_PER_S
from hwnas.measuring.statistics import MARGIN
from hwnas.report.cells import IS_BASELINE, NOISY, Cell, Selection
from hwnas.report.weak_proofs import in_general

#: Reasons that a figure spells out below its panels.
_MOST_NOTES = 5
_NOTE_CHARACTERS = 290
_RUNTIMES = ("torch", "openvino", "hwnas")


@dataclass(frozen=True)
class Omission:
    """Cells that share one reason for having no latency.

    Args:
        status: What became of them.
        reason: Why.
        cells: Those cells.
    """

    status: Status
    reason: str
    cells: tuple[Cell, ...]

    def __str__(self) -> str:
        backends = list(dict.fromkeys(c.backend for c in self.cells))
        reason = " ".join(self.reason.split()) or "no reason was recorded"
        return f"{self.status} on {', '.join(backends)}, {plural(len(self.cells), 'cell')}: {reason}"


def omissions(cells: Iterable[Cell]) -> list[Omission]:
    """Why cells have no latency, one entry a reason, in the order of the cells."""
    groups: dict[tuple[Status, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.estimate is None:
            groups[cell.status, cell.reason].append(cell)
    return [Omission(status, reason, tuple(found)) for (status, reason), found in groups.items()]


def plural(count: int, noun: str, nouns: str = "") -> str:
    """``1 cell``, ``2 cells``, ``3 passes``."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"


def host(selection: Selection) -> str:
    """The machine in one line."""
    e = selection.environment
    parts = [e.cpu_model, plural(e.logical_cpus, "logical CPU")]
    if e.cgroup_cpus is not None:
        parts.append(f"limited to {e.cgroup_cpus:g}")
    return ", ".join([*parts, *([e.virtualisation] if e.virtualisation else [])])


def versions(selection: Selection) -> str:
    """The runtimes' versions in one line."""
    known = selection.environment.versions
    return ", ".join(f"{name} {known[name]}" for name in _RUNTIMES if name in known)


def threads(cells: Iterable[Cell]) -> str:
    """``1 thread`` or ``1 and 2 threads``."""
    counts = sorted({c.threads for c in cells})
    return f"{' and '.join(map(str, counts))} {'thread' if counts == [1] else 'threads'}"


def passes(cells: Iterable[Cell]) -> str:
    """``2 passes``, or ``1 to 2 passes`` where cells differ."""
    counts = sorted({c.estimate.passes for c in cells if c.estimate})
    if not counts:
        return "no passes"
    return plural(counts[0], "pass", "passes") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} passes"


def protocol(selection: Selection, cells: Sequence[Cell]) -> str:
    """How it was measured, in one line."""
    number = selection.environment.versions.get("protocol", "unknown")
    return f"protocol {number}, {threads(cells)}, {passes(cells)}"


def statement(selection: Selection) -> list[tuple[str, str]]:
    """Everything a reader must know, as headings and sentences."""
    measured = [c for c in selection.cells if c.estimate]
    lines = [
        ("Host", host(selection)),
        ("Environment", selection.environment.fingerprint),
        ("Versions", versions(selection) or "not recorded"),
        ("Campaigns", _campaigns(selection)),
        ("Protocol", _protocol(selection, measured)),
        ("Noise", _noise(measured)),
        ("Outputs", _agreement(measured)),
        ("Intervals", _intervals(measured)),
        ("Latency", _reference(selection)),
        ("Verdicts", _verdicts(selection)),
        ("LLC misses", _miss_sources(measured)),
    ]
    lines += [("Not counted", reason) for reason in _uncounted(measured)]
    flags = {flag for c in measured for flag in c.flags}
    if "noisy" in flags:
        lines.append(("noisy", f"block medians scatter by more than {NOISY:.0%} even after drift correction"))
    if "preempted" in flags:
        often = f"another process took the CPU more than {MOST_PREEMPTIONS_PER_S:.0f} times a second"
        lines.append(("preempted", often))
    if "contradicted" in flags:
        trust = "the latencies say the opposite of the verdict: trust the verdict, from rounds side by side"
        lines.append(("contradicted", f"{trust}; the host changed its speed by more than the backends differ"))
    missing = dict.fromkeys(c.no_comparison for c in measured if c.no_comparison not in ("", IS_BASELINE))
    lines += [("No speedup", reason) for reason in missing]
    lines += [("Passes lost", f"{c.workload.label} on {c.backend}: {c.reason}") for c in measured if c.reason]
    return [(heading, text) for heading, text in lines if text]


def _campaigns(selection: Selection) -> str:
    named = [
        f"{r.name}{f' (generation {r.generation})' if r.generation else ''} of {r.created_at[:10]}"
        for r in selection.campaigns
    ]
    alone = any(c.campaign is None for c in selection.cells)
    text = ", ".join([*named, *(["measurements without a campaign"] if alone else [])])
    if selection.superseded:
        cells = plural(selection.superseded, "cell")
        which = "the newest campaign of several passes counts (--campaign chooses another)"
        text += f"; {cells} measured more than once: {which}"
    return text


def _protocol(selection: Selection, measured: Sequence[Cell]) -> str:
    samples = sum(c.estimate.samples for c in measured if c.estimate)
    return (
        f"{protocol(selection, selection.cells)} in fresh processes, {plural(samples, 'sample')}; "
        "arms take turns in random order, with a canary between them"
    )


def _intervals(measured: Sequence[Cell]) -> str:
    if not measured:
        return ""
    text = "[low, high]: 95 % bootstrap intervals over rounds, widened by what passes differ"
    alone = sum(c.estimate.passes == 1 for c in measured if c.estimate)
    return text + (f"; {plural(alone, 'cell')} of one pass cannot show that difference" if alone else "")


def _noise(measured: Sequence[Cell]) -> str:
    if not measured:
        return ""
    raw = statistics.median(c.estimate.noise for c in measured if c.estimate)
    left = statistics.median(c.estimate.residual_noise for c in measured if c.estimate)
    return f"block medians scatter by {raw:.1%}, after drift correction by {left:.1%} (medians over cells)"


def _agreement(measured: Sequence[Cell]) -> str:
    proofs = [c.agreement for c in measured if c.agreement and c.agreement.passed]
    largest: dict[float, float] = {}
    for a in proofs:
        if a.max_relative_error is not None:
            largest[a.tolerance] = max(a.max_relative_error, largest.get(a.tolerance, 0.0))
    parts = []
    if largest:
        references = dict.fromkeys(a.reference for a in proofs if a.max_relative_error is not None)
        errors = " and ".join(f"{e:.1e} where {t:g} is allowed" for t, e in sorted(largest.items()))
        parts.append(f"agree with the reference ({', '.join(references)}), largest relative error {errors}")
    weak = Counter(in_general(a.reason) for a in proofs if a.max_relative_error is not None and a.reason)
    parts += [f"in {plural(count, 'cell')} {reason}" for reason, count in weak.items()]
    unproved = len(measured) - sum(a.max_relative_error is not None for a in proofs)
    parts += [f"not compared with a reference in {plural(unproved, 'cell')}"] if unproved else []
    return "; ".join(parts)


def _reference(selection: Selection) -> str:
    if selection.has_reference:
        return (
            "corrected for drift to the speed at which the canary was when this environment was first measured"
        )
    return "corrected for drift within each cell only: this environment has no canary reference"


def _verdicts(selection: Selection) -> str:
    if not any(c.comparison for c in selection.cells):
        return ""
    return (
        f"against {selection.baseline}: FASTER and SLOWER by more than {MARGIN:.1%} with an interval that "
        f"excludes 1, SAME with the whole interval within {MARGIN:.1%}, else UNCLEAR: measure longer"
    )


_SOURCE_MEANINGS = {
    "pmu": "pmu: the processor's own counters",
    "callgrind": "callgrind: the real binaries in valgrind's cache simulator",
    "model": "model: the kernels' traffic through a simulated LRU cache",
}


def _miss_sources(measured: Sequence[Cell]) -> str:
    sources = dict.fromkeys(m.source for c in measured for m in c.cache_misses if m.value is not None)
    if not sources:
        return ""
    meanings = "; ".join(_SOURCE_MEANINGS.get(s, s) for s in sources)
    return f"last-level-cache misses of one inference of the batch, never averaged across sources. {meanings}"


def _uncounted(measured: Sequence[Cell]) -> list[str]:
    """Why misses are missing, one line a source and reason."""
    cells: dict[tuple[str, str], int] = defaultdict(int)
    for counter in (m for c in measured for m in c.cache_misses if m.value is None):
        cells[counter.source, counter.reason] += 1
    return [f"{source} in {plural(n, 'cell')}: {reason}" for (source, reason), n in cells.items()]


def figure_footer(selection: Selection, cells: Sequence[Cell]) -> list[str]:
    """What a figure of some of the cells must say, in a few short lines."""
    made_with = versions(selection)
    return [
        ". ".join([host(selection), *([made_with] if made_with else [])])
        + f". Environment {selection.environment.fingerprint}.",
        f"{protocol(selection, cells).capitalize()}.",
    ]


def omission_notes(cells: Iterable[Cell]) -> list[str]:
    """Why cells are missing in a figure, in a few lines; what was tried and failed comes first."""
    missing = sorted(omissions(cells), key=lambda o: o.status is Status.SKIPPED)
    notes = [shorten(f"Not measured: {omission}", _NOTE_CHARACTERS, placeholder=" ...") for omission in missing]
    del notes[_MOST_NOTES:]
    if len(missing) > _MOST_NOTES:
        rest = sum(len(o.cells) for o in missing[_MOST_NOTES:])
        notes.append(f"Not measured: {plural(rest, 'further cell')}, for reasons that stand in the CSV file.")
    return notes
