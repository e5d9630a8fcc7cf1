"""The figures in docs/workloads.md are those of the code."""

import re
from pathlib import Path

import pytest

from hwnas.workloads.patterns import PATTERNS, PatternStack

DOCUMENT = Path(__file__).parents[2] / "docs" / "workloads.md"
FIGURES = re.compile(r"^\| `(\w+)` \| ([\d ]+) \| ([\d ]+) \| ([\d ]+) \| ([\d ]+) \|$", re.MULTILINE)


def documented() -> dict[str, list[int]]:
    rows = FIGURES.findall(DOCUMENT.read_text(encoding="utf-8"))
    return {name: [int(figure.replace(" ", "")) for figure in figures] for name, *figures in rows}


def test_all_patterns_are_documented() -> None:
    assert list(documented()) == list(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_documented_figures_are_true(pattern: str) -> None:
    stack = PatternStack(PATTERNS[pattern], depth=1, width=64)
    pixel = sum(c.weights for c in stack.block)
    assert documented()[pattern] == [stack.input_shape[1], pixel, stack.macs, stack.parameters]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_documented_formulas_are_those_of_the_code(pattern: str) -> None:
    assert f"| {PATTERNS[pattern].formula} |" in DOCUMENT.read_text(encoding="utf-8")
