"""Cells as graphs: what a space's architectures are made of, for those who learn from their structure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Edge(NamedTuple):
    """An operator between two nodes.

    Args:
        source: Node that it reads.
        target: Node that adds it up.
        operator: What it computes, in one word; empty where it passes on what it reads.
    """

    source: str
    target: str
    operator: str


class CellGraph(NamedTuple):
    """The graph of one kind of cell, without cycles.

    Args:
        name: Unique in its space.
        inputs: Nodes that come from outside.
        outputs: Nodes that leave the cell.
        edges: Those alone that exist: what is chosen to be nothing is not there.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    edges: tuple[Edge, ...]

    def paths(self) -> Iterator[tuple[Edge, ...]]:
        """Every way from an input to an output, as its edges in order."""
        leaving: dict[str, list[Edge]] = {}
        for edge in self.edges:
            leaving.setdefault(edge.source, []).append(edge)
        waiting: list[tuple[str, tuple[Edge, ...]]] = [(node, ()) for node in reversed(self.inputs)]
        while waiting:
            node, path = waiting.pop()
            if node in self.outputs:
                yield path
            waiting += [(edge.target, (*path, edge)) for edge in reversed(leaving.get(node, []))]
