"""How figures look: colours, marks, type, and files that are the same for the same data."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure

from hwnas.backends.registry import BACKENDS
from hwnas.cache_misses.operators import OPERATOR_KINDS
from hwnas.core.errors import UsageError
from hwnas.report.order import backends_in_order

INK = "#222222"
MUTED = "#666666"
GRID = "#dddddd"
PNG_DPI = 150
#: The way out where a report's folder cannot be written to.
ANOTHER_FOLDER = "Give another folder with --out"

#: Colours that people with any common colour blindness can tell apart (Okabe and Ito, Color
#: Universal Design, 2008, a brown and a grey), in the order of the backend registry. Those of the arms that are
#: measured by default differ in lightness as well, for prints in grey.
_PALETTE = (
    *("#000000", "#CC79A7", "#009E73", "#56B4E9", "#E69F00", "#0072B2", "#D55E00", "#7F4F24"),
    *("#999999", "#882255"),
    "#F0E442",  # pale: for a backend of somebody else's
)
#: One a kind of operator, in their order: Okabe and Ito's with a brown, what remains in every runtime in black.
OPERATOR_COLOURS = dict(
    zip(
        OPERATOR_KINDS,
        (
            *("#000000", "#D55E00", "#E69F00", "#7F4F24", "#0072B2"),
            *("#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#999999"),
        ),
        strict=True,
    )
)
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (5, 2, 1, 2)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)

_RC: dict[str, Any] = {
    "font.family": "sans-serif",
    # The first comes with matplotlib; the second has its widths, where an SVG is shown without it.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#999999",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    # Else every panel is laid out once more to keep its title clear of ticks above it, of which there are none.
    "axes.titley": 1.0,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and edited
    "svg.hashsalt": "hwnas",
}


@dataclass(frozen=True)
class BatchStyle:
    """How one batch size is drawn.

    Args:
        marker: Matplotlib's marker.
        line: Matplotlib's line style.
        size: Of the marker in points. Latencies of one image often agree, so markers are hollow,
            and those of larger batches are smaller and lie upon the others.
    """

    marker: str
    line: Any
    size: float


def styled() -> AbstractContextManager[None]:
    """Everything is drawn and saved within this context; a user's matplotlibrc takes no part."""
    return matplotlib_style.context(["default", _RC])


def backend_colours(backends: Iterable[str]) -> dict[str, str]:
    """A colour for each backend, the same in every figure."""
    wanted = backends_in_order(backends)
    known = BACKENDS.names()
    places = {name: n for n, name in enumerate([*known, *(b for b in wanted if b not in known)])}
    return {name: _PALETTE[places[name] % len(_PALETTE)] for name in wanted}


def batch_styles(batches: Iterable[int]) -> dict[int, BatchStyle]:
    """A style for each batch size, smallest first."""
    sizes = sorted(set(batches))
    largest = 7.5 if len(sizes) > 1 else 5.0
    return {
        batch: BatchStyle(_MARKERS[n % len(_MARKERS)], _LINES[n % len(_LINES)], max(3.0, largest - 1.8 * n))
        for n, batch in enumerate(sizes)
    }


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write `stem`.png and `stem`.svg.

    Raises:
        UsageError: They cannot be written.
    """
    png, svg = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        # The third level packs line art as well as the sixth, which is the default, in two thirds of its time.
        figure.savefig(png, dpi=PNG_DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 3})
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
    except OSError as error:
        raise UsageError(f"cannot write figures to {stem.parent}: {error.strerror}", ANOTHER_FOLDER) from error
    return [png, svg]
