"""The figures' colours on dark ground: what was drawn for white paper stays legible after sunset."""

from __future__ import annotations

import re

#: Colour as drawn -> colour on dark ground. Ink turns into light, paper into the page's ground, and of the
#: backends' colours the dark ones become lighter; all reach a contrast of 3 with that ground.
ON_DARK = {
    # ink, muted ink, grid, edges, paper
    "#222222": "#e6e8eb",
    "#666666": "#a3a9b1",
    "#dddddd": "#363b42",
    "#999999": "#8b919a",
    "#888888": "#8b919a",
    "#ffffff": "#14171b",
    # backends and operators
    "#000000": "#f2f3f5",
    "#cc79a7": "#d98cb6",
    "#009e73": "#1fb98c",
    "#56b4e9": "#6cc0f0",
    "#e69f00": "#eaa81c",
    "#0072b2": "#3f93d2",
    "#d55e00": "#e8752a",
    "#7f4f24": "#b58253",
    "#882255": "#c4608e",
    "#f0e442": "#f0e442",
}

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")


def variables(*, dark: bool) -> str:
    """The declarations of all colours: ``--c222222: #e6e8eb; ...``."""
    return " ".join(f"{_name(drawn)}: {shown if dark else drawn};" for drawn, shown in ON_DARK.items())


def with_variables(style: str) -> str:
    """A style whose known colours are variables; others stay as they are."""

    def variable(match: re.Match[str]) -> str:
        drawn = match[0].lower()
        return f"var({_name(drawn)})" if drawn in ON_DARK else match[0]

    return _COLOUR.sub(variable, style)


def _name(colour: str) -> str:
    return f"--c{colour[1:]}"
