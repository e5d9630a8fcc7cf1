"""The space of DARTS: a normal and a reduction cell, stacked to a network.

Source: H. Liu, K. Simonyan, Y. Yang. DARTS: Differentiable Architecture Search. ICLR 2019, arXiv:1806.09055,
sections 2.1 and 3.1; the network around the cells is its one for CIFAR-10.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from hwnas.workloads.spaces.cell_graph import CellGraph, Edge
from hwnas.workloads.spaces.cell_space import CellSpace, CellSpaceForm
from hwnas.workloads.spaces.choice import Architecture, Choice
from hwnas.workloads.spaces.picture import drawn, side
from hwnas.workloads.spaces.space import IMAGES, Part, PartModule, Shape, Step
from hwnas.workloads.spaces.space_form import Channels, Layers, names

#: Keys of :data:`hwnas.workloads.networks.darts.OPERATIONS`, which imports torch.
OPERATORS = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
)

#: Nodes of a cell that add up two edges; 0 and 1 are its inputs.
NODES = (2, 3, 4, 5)

#: Channels of the stem for each of a node in the first cells. Source: the reference code, for CIFAR-10.
_STEM = 3

#: Two of the nodes before each: their numbers joined by a hyphen.
_INPUTS = {node: tuple(f"{i}-{j}" for i, j in itertools.combinations(range(node), 2)) for node in NODES}


class _Cell(NamedTuple):
    """Where a cell stands.

    Args:
        name: Such as ``cell3``.
        kind: ``normal`` or ``reduction``.
        channels: Of a node.
        sides: Height and width of a node.
        inputs: Parts that it reads: the output of the cell before the last, and that of the last.
        shapes: Of both.
    """

    name: str
    kind: str
    channels: int
    sides: tuple[int, int]
    inputs: tuple[str, str]
    shapes: tuple[Shape, Shape]

    @property
    def reduces(self) -> bool:
        return self.kind == "reduction"

    @property
    def node(self) -> Shape:
        """Shape of a node of its own."""
        return (self.channels, *self.sides)

    @property
    def fitted(self) -> Shape:
        """Shape of its two inputs once they have its channels."""
        height, width = self.sides
        return (self.channels, 2 * height, 2 * width) if self.reduces else self.node

    @property
    def output(self) -> Shape:
        return (len(NODES) * self.channels, *self.sides)


@dataclass(frozen=True)
class DartsSpace(CellSpace):
    """Stem, cells, pooling and a linear classifier. The cells at one and at two thirds of the depth reduce.

    A node adds up two edges, each with an operator of its own; their order does not matter, so the edge from
    the lower node comes first. The output of a cell is all four nodes side by side.

    Args:
        channels: Of a node in the first cells; each reduction doubles them.
        cells: How many, at least three.
        operators: What an edge may be.
    """

    operators: tuple[str, ...] = OPERATORS

    kind: ClassVar[str] = "darts"

    def _choices(self) -> Iterator[Choice]:
        for cell in ("normal", "reduction"):
            for node in NODES:
                yield Choice(f"{cell}.node{node}.inputs", _INPUTS[node])
                yield Choice(f"{cell}.node{node}.first", self.operators)
                yield Choice(f"{cell}.node{node}.second", self.operators)

    @cached_property
    def _cells(self) -> dict[str, _Cell]:
        _, height, width = self.input_shape
        channels, sides = self.channels, (height, width)
        stem: Shape = (_STEM * channels, *sides)
        inputs, shapes = ("stem", "stem"), (stem, stem)
        cells: dict[str, _Cell] = {}
        for index in range(self.cells):
            reduces = index in (self.cells // 3, 2 * self.cells // 3)
            if reduces:
                channels, sides = 2 * channels, (sides[0] // 2, sides[1] // 2)
            name = f"cell{index + 1}"
            cell = _Cell(name, "reduction" if reduces else "normal", channels, sides, inputs, shapes)
            cells[name] = cell
            inputs, shapes = (inputs[1], f"{name}_output"), (shapes[1], cell.output)
        return cells

    def _parts(self) -> Iterator[Part]:
        yield Part("stem")
        for cell in self._cells.values():
            yield Part(f"{cell.name}_before")
            yield Part(f"{cell.name}_last")
            for node in NODES:
                choices = f"{cell.kind}.node{node}"
                # Where a cell reduces, an edge's stride depends on where it comes from.
                inputs = (f"{choices}.inputs",) if cell.reduces else ()
                for which in ("first", "second"):
                    yield Part(f"{cell.name}_node{node}_{which}", (*inputs, f"{choices}.{which}"))
            yield Part(f"{cell.name}_output")
        yield Part("head")

    def _part_module(self, part: Part, options: Architecture) -> PartModule | None:
        from hwnas.workloads.networks.darts import fit_input
        from hwnas.workloads.spaces.cell_layers import Concatenation
        from hwnas.workloads.spaces.layers import convolution, head

        name, _, place = part.name.partition("_")
        if name == "stem":
            stem = convolution(self.input_shape[0], _STEM * self.channels, 3, activation="")
            return PartModule(stem, (self.input_shape,))
        if name == "head":
            shape = self._cells[f"cell{self.cells}"].output
            return PartModule(head(shape[0], 0, self.classes), (shape,))
        cell = self._cells[name]
        before_last, last = cell.shapes
        match place:
            case "before":
                halves = before_last[1] > last[1]
                return PartModule(fit_input(before_last[0], cell.channels, halves=halves), (before_last,))
            case "last":
                return PartModule(fit_input(last[0], cell.channels, halves=False), (last,))
            case "output":
                return PartModule(Concatenation(), (cell.node,) * len(NODES))
        node, _, which = place.partition("_")
        return self._edge(cell, f"{cell.kind}.{node}", which, options)

    def _edge(self, cell: _Cell, node: str, which: str, options: Architecture) -> PartModule | None:
        """One of the two edges into a node; the second one adds up."""
        from torch import nn

        from hwnas.workloads.networks.darts import OPERATIONS
        from hwnas.workloads.spaces.cell_layers import Joined

        source = 0
        if cell.reduces:
            source = _sources(str(options[f"{node}.inputs"]))[which == "second"]
        halves = cell.reduces and source < 2
        operator = OPERATIONS[str(options[f"{node}.{which}"])](cell.channels, 2 if halves else 1)
        shape = cell.fitted if halves else cell.node
        if which == "second":
            return PartModule(Joined(operator), (shape, cell.node))
        return None if isinstance(operator, nn.Identity) else PartModule(operator, (shape,))

    def wiring(self, architecture: Architecture) -> list[Step]:
        """Cells read the two before them, and nodes what the architecture says."""
        steps = [Step("stem", (IMAGES,))]
        for cell in self._cells.values():
            before_last, last = cell.inputs
            steps += [Step(f"{cell.name}_before", (before_last,)), Step(f"{cell.name}_last", (last,))]
            results = [f"{cell.name}_before", f"{cell.name}_last"]
            for node in NODES:
                one, other = _sources(str(architecture[f"{cell.kind}.node{node}.inputs"]))
                first, second = (f"{cell.name}_node{node}_{which}" for which in ("first", "second"))
                steps += [Step(first, (results[one],)), Step(second, (results[other], first))]
                results.append(second)
            steps.append(Step(f"{cell.name}_output", tuple(results[2:])))
        return [*steps, Step("head", (f"cell{self.cells}_output",))]

    def cell_graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        """The normal and the reduction cell; a skip connection that halves the sides is an operator."""
        return tuple(self._graph(kind, architecture) for kind in ("normal", "reduction"))

    def _graph(self, kind: str, architecture: Architecture) -> CellGraph:
        edges = []
        for node in NODES:
            choices = f"{kind}.node{node}"
            sources = _sources(str(architecture[f"{choices}.inputs"]))
            for source, which in zip(sources, ("first", "second"), strict=True):
                operator = str(architecture[f"{choices}.{which}"])
                halves = kind == "reduction" and source < 2
                if operator == "skip_connect" and not halves:
                    operator = ""
                edges.append(Edge(str(source), str(node), operator))
        return CellGraph(kind, ("0", "1"), tuple(map(str, NODES)), tuple(edges))

    def picture(self) -> str:
        """The network drawn in text, a few lines of at most 80 characters."""
        _, *sides = self.input_shape
        rows = [
            (c.name, f"{c.kind} cell, {c.channels} channels a node", side(*c.sides))
            for c in self._cells.values()
        ]
        stem = (f"3x3 convolution to {_STEM * self.channels}", side(*sides))
        network = drawn(self.input_shape, stem, rows, "average pooling, linear", self.classes)
        cell_drawing = (
            "A cell: 0 and 1 are the outputs of the cell before the last and of the last one.",
            "Nodes 2, 3, 4 and 5 each add up two edges from nodes before them:",
            f"  [node i] --(one of {len(self.operators)} operators)--+",
            f"  [node j] --(one of {len(self.operators)} operators)--+--> [node k]   i < j < k",
            "The output is 2, 3, 4 and 5 side by side.",
        )
        return "\n".join([network, "", *cell_drawing])


def _sources(inputs: str) -> tuple[int, int]:
    """The two nodes that an option of ``inputs`` names."""
    first, second = inputs.split("-")
    return int(first), int(second)


class DartsSpaceForm(CellSpaceForm):
    """Files of the kind ``darts``.

    Args:
        channels: Of a node in the first cells; even.
        cells: How many.
        operators: What an edge may be.
    """

    channels: Annotated[Channels, Field(multiple_of=2)]
    cells: Annotated[Layers, Field(ge=3)]
    operators: Annotated[tuple[str, ...], names("operator of DARTS", lambda: OPERATORS)] = OPERATORS

    made: ClassVar[type[CellSpace]] = DartsSpace
    reductions: ClassVar[str] = "reduction cells"
