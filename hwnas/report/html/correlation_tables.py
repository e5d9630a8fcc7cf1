"""Correlations as tables: the overview of all patterns, and one table a sweep, batch and pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwnas.report.correlations import ALL_PATTERNS, Correlation, CorrelationRow, Pair
from hwnas.report.quantities import cache_label
from hwnas.report.sweep_panels import conditions


@dataclass(frozen=True)
class Entry:
    """One coefficient as text.

    Args:
        text: ``0.957 [0.897, 0.983]``, or None where there is none.
        reason: Why there is none, else empty.
    """

    text: str | None
    reason: str


@dataclass(frozen=True)
class Line:
    """One row of a table.

    Args:
        name: Its heading.
        conditions: What else holds for it.
        n: ``5``, or ``4 and 5`` where arms differ.
        entries: Pearson's and Spearman's coefficient of every arm.
    """

    name: str
    conditions: str
    n: str
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Table:
    """The correlations of one pair.

    Args:
        title: What is correlated: ``MACs and latency``.
        backends: The arms, two columns each.
        lines: A pattern, or a sweep and batch, each, where it has a coefficient.
        without: The others, each reason with whom it is true for: ``over depth, batch 8``.
    """

    title: str
    backends: Sequence[str]
    lines: Sequence[Line]
    without: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Block:
    """The tables of one sweep and batch.

    Args:
        title: What holds for all of it.
        tables: One a pair.
    """

    title: str
    tables: Sequence[Table]


def overview(rows: Sequence[CorrelationRow]) -> list[Table]:
    """All patterns together: one table a pair, one line a sweep and batch."""
    return _tables([r for r in rows if r.pattern == ALL_PATTERNS], lambda r: (_place(r), _conditions(r)))


def blocks(rows: Sequence[CorrelationRow]) -> list[Block]:
    """Pattern by pattern: one block a sweep and batch."""
    places = dict.fromkeys((_place(r), _conditions(r)) for r in rows)
    return [
        Block(
            f"{place}: {shared}",
            _tables([r for r in rows if (_place(r), _conditions(r)) == (place, shared)], _pattern),
        )
        for place, shared in places
    ]


def _pattern(row: CorrelationRow) -> tuple[str, str]:
    return row.pattern.replace("_", " "), ""


_Name = Callable[[CorrelationRow], tuple[str, str]]


def _place(row: CorrelationRow) -> str:
    return f"over {row.sweep.axis}, batch {row.batch}"


def _conditions(row: CorrelationRow) -> str:
    found = conditions(row.sweep, [])
    return f"{found[0].lower()}{found[1:]}"


def _tables(rows: Sequence[CorrelationRow], name: _Name) -> list[Table]:
    return [_table(title, [r for r in rows if _title(r.pair) == title], name) for title in _titles(rows)]


def _titles(rows: Sequence[CorrelationRow]) -> list[str]:
    return list(dict.fromkeys(_title(r.pair) for r in rows))


def _title(pair: Pair) -> str:
    where = f" ({pair.source}, {cache_label(pair.geometry)})" if pair.source else ""
    return f"{pair.x[0].upper()}{pair.x[1:]} and {pair.y}{where}"


def _table(title: str, rows: Sequence[CorrelationRow], name: _Name) -> Table:
    backends = list(dict.fromkeys(r.backend for r in rows))
    lines: list[Line] = []
    without: dict[str, list[str]] = {}
    for place in dict.fromkeys(name(r) for r in rows):
        own = {r.backend: r for r in rows if name(r) == place}
        counts = sorted({r.pearson.n for r in own.values()})
        entries = [_entry(c) for b in backends for c in _both(own.get(b))]
        if any(e.text for e in entries):
            lines.append(Line(*place, " and ".join(map(str, counts)), entries))
        else:
            reason = "; ".join(dict.fromkeys(e.reason for e in entries))
            without.setdefault(reason, []).append(
                " ".join(filter(None, (place[0], place[1] and f"({place[1]})")))
            )
    return Table(title, backends, lines, [(reason, ", ".join(names)) for reason, names in without.items()])


def _both(row: CorrelationRow | None) -> tuple[Correlation, Correlation]:
    missing = Correlation(None, None, None, 0, "this arm was not measured")
    return (row.pearson, row.spearman) if row else (missing, missing)


def _entry(found: Correlation) -> Entry:
    if found.value is None or found.low is None or found.high is None:
        return Entry(None, found.reason)
    return Entry(f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]", "")
