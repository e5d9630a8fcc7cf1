"""Jinja's environment for every page: escaped, and no variable silently missing."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from hwnas.report.html.inline_svg import inline_svg


def template_environment() -> Environment:
    """For the templates beside this file; ``drawing`` puts a figure into the page."""
    environment = Environment(
        loader=PackageLoader("hwnas.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["drawing"] = lambda figure: inline_svg(figure.svg, figure.name, figure.shows)
    return environment
