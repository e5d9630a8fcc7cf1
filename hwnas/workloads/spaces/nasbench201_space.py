"""The space of NAS-Bench-201: one cell of six edges, repeated in three stages.

Source: X. Dong, Y. Yang. NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search. ICLR
2020, arXiv:2001.00326, section 2.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, NamedTuple

from hwnas.core.errors import UsageError
from hwnas.core.workload import Scalar
from hwnas.workloads.spaces.cell_graph import CellGraph, Edge
from hwnas.workloads.spaces.cell_space import CellSpace, CellSpaceForm
from hwnas.workloads.spaces.choice import Architecture, Choice
from hwnas.workloads.spaces.picture import drawn, side
from hwnas.workloads.spaces.space import IMAGES, Part, PartModule, Shape, Step
from hwnas.workloads.spaces.space_form import names

#: In the benchmark's own order.
OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

#: Nodes of a cell that add up edges, one from every node before them; 0 is the input and 3 the output.
NODES = (1, 2, 3)

_STAGES = 3


class _Edge(NamedTuple):
    """One edge of one cell.

    Args:
        stage: From 0.
        source: Node that it reads.
        node: Node that it leads to.
    """

    stage: int
    source: int
    node: int


def _choice(source: int, node: int) -> str:
    return f"node{node}.from{source}"


@dataclass(frozen=True)
class NasBench201Space(CellSpace):
    """Stem, three stages of equal cells with residual blocks in between, pooling and a linear classifier.

    An architecture is one of the benchmark's, written as there. It is its own canonical form even where an edge
    leads to a node that nothing reads: the benchmark counts such architectures too, and PyTorch computes them.

    Args:
        channels: Of the first stage; the others have twice and four times as many.
        cells: Of a stage.
        operators: What an edge may be.
    """

    operators: tuple[str, ...] = OPERATORS

    kind: ClassVar[str] = "nasbench201"

    def _choices(self) -> Iterator[Choice]:
        for node in NODES:
            for source in range(node):
                yield Choice(_choice(source, node), self.operators)

    def compact(self, architecture: Architecture) -> str:
        """The benchmark's own text, such as ``|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|``.

        Raises:
            UnknownName: A choice or option that the space does not have.
            UsageError: A choice without an option.
        """
        self.validate(architecture)
        edges = {node: [f"{architecture[_choice(s, node)]}~{s}" for s in range(node)] for node in NODES}
        return "+".join(f"|{'|'.join(edges[node])}|" for node in NODES)

    def parse(self, text: str) -> dict[str, Scalar]:
        """The architecture that the benchmark writes like this.

        Raises:
            UnknownName: An operator that the space does not have; close ones are listed.
            UsageError: Another form.
        """
        found: dict[str, Scalar] = {}
        groups = text.strip().split("+")
        for node, group in enumerate(groups, 1):
            edges = group.strip().removeprefix("|").removesuffix("|").split("|")
            for source, edge in enumerate(edges):
                operator, tilde, number = edge.strip().partition("~")
                if node not in NODES or not tilde or number != str(source) or source >= node:
                    raise self._unreadable(text)
                found[_choice(source, node)] = self.choice(_choice(source, node)).option(operator)
        if len(found) < len(self.choices):
            raise self._unreadable(text)
        return found

    def _unreadable(self, text: str) -> UsageError:
        example = self.compact({choice.name: self.operators[-1] for choice in self.choices})
        return UsageError(f"cannot read the architecture {text!r}", f"Write it like '{example}', in quotes")

    def _shape(self, stage: int) -> Shape:
        _, height, width = self.input_shape
        return (self.channels * 2**stage, height // 2**stage, width // 2**stage)

    @cached_property
    def _edges(self) -> dict[str, _Edge]:
        return {
            f"stage{stage + 1}_cell{cell}_edge{source}{node}": _Edge(stage, source, node)
            for stage in range(_STAGES)
            for cell in range(1, self.cells + 1)
            for node in NODES
            for source in range(node)
        }

    def _parts(self) -> Iterator[Part]:
        yield Part("stem")
        entered = 0
        for name, edge in self._edges.items():
            if edge.stage > entered:
                entered = edge.stage
                yield Part(f"stage{edge.stage + 1}_reduction")
            # Whether an edge adds to others depends on those that reach its node before it.
            yield Part(name, tuple(_choice(source, edge.node) for source in range(edge.source + 1)))
        yield Part("head")

    def _part_module(self, part: Part, options: Architecture) -> PartModule | None:
        from torch import nn

        from hwnas.workloads.spaces.cell_layers import Joined, Zeros
        from hwnas.workloads.spaces.layers import convolution
        from hwnas.workloads.spaces.nasbench201_layers import Reduction, normalised_head, operator

        if part.name == "stem":
            stem = convolution(self.input_shape[0], self.channels, 3, activation="")
            return PartModule(stem, (self.input_shape,))
        if part.name == "head":
            shape = self._shape(_STAGES - 1)
            return PartModule(normalised_head(shape[0], self.classes), (shape,))
        if part.name not in self._edges:
            stage = int(part.name.removeprefix("stage").partition("_")[0]) - 1
            before = self._shape(stage - 1)
            return PartModule(Reduction(before[0], self._shape(stage)[0]), (before,))
        edge = self._edges[part.name]
        shape = self._shape(edge.stage)
        module = operator(str(options[_choice(edge.source, edge.node)]), shape[0])
        added = any(options[_choice(source, edge.node)] != "none" for source in range(edge.source))
        if module is None:
            # Somebody must stand for a node without edges: the last one does.
            empty = edge.source == edge.node - 1 and not added
            return PartModule(Zeros(), (shape,)) if empty else None
        if added:
            return PartModule(Joined(module), (shape, shape))
        return None if isinstance(module, nn.Identity) else PartModule(module, (shape,))

    def wiring(self, architecture: Architecture) -> list[Step]:
        """Edges add to the ones before them; ``none`` has no place, but at a node without other edges."""
        steps = [Step("stem", (IMAGES,))]
        last = "stem"
        for stage in range(1, _STAGES + 1):
            if stage > 1:
                steps.append(Step(f"stage{stage}_reduction", (last,)))
                last = f"stage{stage}_reduction"
            for cell in range(1, self.cells + 1):
                results = [last]
                for node in NODES:
                    edges = [s for s in range(node) if architecture[_choice(s, node)] != "none"] or [node - 1]
                    total: tuple[str, ...] = ()
                    for source in edges:
                        name = f"stage{stage}_cell{cell}_edge{source}{node}"
                        steps.append(Step(name, (results[source], *total)))
                        total = (name,)
                    results.append(total[0])
                last = results[-1]
        return [*steps, Step("head", (last,))]

    def cell_graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        """The one cell; an edge that is ``none`` is not there."""
        edges = []
        for node in NODES:
            for source in range(node):
                operator = str(architecture[_choice(source, node)])
                if operator != "none":
                    edges.append(Edge(str(source), str(node), "" if operator == "skip_connect" else operator))
        return (CellGraph("cell", ("0",), (str(NODES[-1]),), tuple(edges)),)

    def picture(self) -> str:
        """The network drawn in text, a few lines of at most 80 characters."""
        rows = []
        for stage in range(_STAGES):
            channels, *sides = self._shape(stage)
            if stage:
                rows.append(("reduction", f"residual block to {channels}, stride 2", side(*sides)))
            rows.append((f"stage {stage + 1}", f"{self.cells} cells of {channels} channels", side(*sides)))
        stem = (f"3x3 convolution to {self.channels}", side(*self._shape(0)[1:]))
        network = drawn(self.input_shape, stem, rows, "average pooling, linear", self.classes)
        cell_drawing = (
            "A cell: 0 is its input and 3 its output; a node adds up what arrives.",
            f"Each of the six edges is one of {len(self.operators)} operators:",
            "  0 --> 1",
            "  0 --> 2   1 --> 2",
            "  0 --> 3   1 --> 3   2 --> 3",
        )
        return "\n".join([network, "", *cell_drawing])


class NasBench201SpaceForm(CellSpaceForm):
    """Files of the kind ``nasbench201``.

    Args:
        channels: Of the first stage.
        cells: Of a stage.
        operators: What an edge may be.
    """

    operators: Annotated[tuple[str, ...], names("operator of NAS-Bench-201", lambda: OPERATORS)] = OPERATORS

    made: ClassVar[type[CellSpace]] = NasBench201Space
    reductions: ClassVar[str] = "residual blocks"
