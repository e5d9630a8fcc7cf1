"""Where each figure stands on the page, and what to say where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.core.cache_geometry import NAMED_CACHES
from hwnas.report.figures import DrawnFigure, FigureKind
from hwnas.report.order import Axis
from hwnas.report.quantities import cache_size

_PAPER_CACHE = cache_size(str(NAMED_CACHES["paper"]))


@dataclass(frozen=True)
class Slot:
    """One figure of the study.

    Args:
        number: Its number there.
        title: What it is about, in a few words.
        caption: What it shows, in the words of this page.
        figures: What was drawn of it, the closest to the study first.
        missing: Why there is none.
        remedy: The command that measures it.
    """

    number: int
    title: str
    caption: str
    figures: Sequence[DrawnFigure]
    missing: str
    remedy: str


_SLOTS: tuple[tuple[FigureKind, Axis | None, str, str, str, str], ...] = (
    (
        FigureKind.LATENCY,
        "depth",
        "latency over depth",
        "Latency of an image over depth, six patterns, native and accelerated, for growing batches.",
        "no pattern has a latency at two depths",
        "depth",
    ),
    (
        FigureKind.LATENCY,
        "width",
        "latency over width",
        "Latency of an image over width, six patterns, native and accelerated.",
        "no pattern has a latency at two widths",
        "width",
    ),
    (
        FigureKind.LATENCY_AND_MISSES,
        "depth",
        "latency and cache misses over depth",
        "Latency (solid, left) and last-level-cache misses (dashed, right) over depth.",
        "no pattern has both latency and cache misses at two depths",
        "cache_depth",
    ),
    (
        FigureKind.LATENCY_AND_MISSES,
        "width",
        "latency and cache misses over width",
        "Latency (solid, left) and last-level-cache misses (dashed, right) over width.",
        "no pattern has both latency and cache misses at two widths",
        "cache_width",
    ),
    (
        FigureKind.NETWORKS,
        None,
        "whole networks",
        "Latency of whole networks, with the speedup beside the bars.",
        "no whole network has a latency",
        "networks",
    ),
)


def slots(figures: Sequence[DrawnFigure]) -> list[Slot]:
    """The study's five figures."""
    return [
        Slot(
            number,
            title,
            caption,
            _closest_first(of_kind(figures, kind, axis)),
            missing,
            f"hwnas measure {campaign}",
        )
        for number, (kind, axis, title, caption, missing, campaign) in enumerate(_SLOTS, 1)
    ]


def of_kind(figures: Sequence[DrawnFigure], kind: FigureKind, axis: Axis | None = None) -> list[DrawnFigure]:
    """The figures of a kind, all or those over one axis."""
    return [f for f in figures if f.kind is kind and axis in (None, f.axis)]


def _closest_first(figures: Sequence[DrawnFigure]) -> list[DrawnFigure]:
    """Those on the study's cache first."""
    return sorted(figures, key=lambda f: not f.name.endswith(_PAPER_CACHE))
