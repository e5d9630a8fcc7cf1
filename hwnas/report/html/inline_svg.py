"""Figures inside the page: drawings whose ids do not collide and whose colours follow the page."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from hwnas.report.html.colours import with_variables

_SVG = "http://www.w3.org/2000/svg"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_URL = re.compile(r"url\(#([^)]+)\)")


def inline_svg(file: Path, name: str, shows: str) -> Markup:
    """A drawing as a part of the page.

    Args:
        file: As matplotlib wrote it: no scripts, styles in attributes, text escaped.
        name: Begins every id, so that two figures can stand in one document.
        shows: What is to be seen, for who does not see it.
    """
    root = ElementTree.parse(file).getroot()
    for meta in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(meta)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        element.attrib = {_key(k): _value(_key(k), v, name) for k, v in element.attrib.items()}
    view = root.get("viewBox", "0 0 720 480")
    inner = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    # Tags and attributes are matplotlib's and were parsed; only the description is ours to escape. What is
    # filled with black has no fill of its own: black is what it would inherit.
    opening = Markup('<svg viewBox="{}" role="img" aria-label="{}" style="{}">').format(
        view, shows, with_variables("fill: #000000")
    )
    return opening + Markup(inner) + Markup("</svg>")


def _key(name: str) -> str:
    return "href" if name == _XLINK_HREF else name


def _value(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    value = _URL.sub(rf"url(#{name}-\1)", value)
    return with_variables(value) if key in ("style", "fill", "stroke") else value
