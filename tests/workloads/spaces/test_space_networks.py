"""Networks of every space: what they compute, and whether they are those of their sources."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.core.errors import UnknownName
from hwnas.workloads.build import build
from hwnas.workloads.networks.darts import OPERATIONS, SECOND_ORDER, Cell, DartsCell
from hwnas.workloads.patterns import PATTERNS, PatternStack, find_pattern
from hwnas.workloads.spaces.build import architecture_counts, part_counts
from hwnas.workloads.spaces.darts_space import OPERATORS, DartsSpace
from hwnas.workloads.spaces.mbconv_space import MBConvSpace, MBConvStage
from hwnas.workloads.spaces.nasbench201_space import NasBench201Space
from hwnas.workloads.spaces.pattern_space import PatternSpace
from hwnas.workloads.spaces.space import Part, Space
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_workload

NAMES = ["darts", "mbconv", "nasbench201", "patterns"]


def _sampled(name: str, seed: int) -> tuple[Space, dict]:
    space = load_space(name)
    return space, space.sample(random.Random(seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_openvino_computes_what_double_precision_does(name: str) -> None:
    space, architecture = _sampled(name, 3)
    built = build(space_workload(space, architecture, batch=2))
    (images,) = built.inputs
    with torch.no_grad():
        exact = copy.deepcopy(built.module).double()(images.double()).numpy()
    for arm in ("torch:cpu:fp32", "openvino:cpu:fp32"):
        session = backend(arm).compile(Program(built.inputs, copy.deepcopy(built.module)), threads=1)
        session.run()
        (found,) = session.outputs()
        assert found.shape == (2, space.classes)
        assert np.abs(found - exact).max() <= 1e-4 * np.abs(exact).max()
    # The images are told apart.
    assert np.abs(exact[0] - exact[1]).max() > 0.01 * np.abs(exact).max()


def test_a_part_of_another_space_is_refused() -> None:
    space, architecture = _sampled("patterns", 0)
    with pytest.raises(UnknownName, match="stage1_blok1"):
        space.part_module(Part("stage1_blok1", ("stage1.depth",)), architecture)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_blocks_are_those_of_the_study(pattern: str) -> None:
    space = load_space("patterns")
    assert isinstance(space, PatternSpace)
    options = {"stage2.pattern": pattern, "stage2.width": 48, "stage2.depth": 2, "stage2.kernel": 5}
    stack = PatternStack(find_pattern(pattern), 1, 48, 5, resolution=16)
    for block, there in ((1, True), (2, True), (3, False)):
        part = next(p for p in space.parts() if p.name == f"stage2_block{block}")
        made = space.part_module(part, options)
        assert (made is not None) is there
        if made is not None:
            assert made.input_shapes == (stack.input_shape[1:],)
            assert (part_counts(made).macs, part_counts(made).parameters) == (stack.macs, stack.parameters)


def test_the_largest_network_of_nasbench201_has_its_published_size() -> None:
    """1.531546 M parameters and 220.12 M multiply-adds are what the benchmark's file says of it."""
    space = load_space("nasbench201")
    dense = space.parse("+".join(f"|{'|'.join(f'nor_conv_3x3~{s}' for s in range(n))}|" for n in (1, 2, 3)))
    counts = architecture_counts(space, dense)
    assert (counts.parameters, counts.macs) == (1_531_546, 220_119_680)


@pytest.mark.parametrize(
    "text",
    [
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|skip_connect~2|",
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
    ],
)
def test_cells_of_nasbench201_add_up_what_arrives(text: str) -> None:
    """The network against the definition of the cell, computed edge by edge with the same modules."""
    space = NasBench201Space("small", "", (3, 8, 8), 3, 4, 1)
    architecture = space.parse(text)
    torch.manual_seed(0)
    network = space.network(architecture).eval()
    parts = dict(network.parts)

    def edge(stage: int, source: int, node: int, x: torch.Tensor) -> torch.Tensor:
        if architecture[f"node{node}.from{source}"] == "none":
            return torch.zeros_like(x)
        module = parts.get(f"stage{stage}_cell1_edge{source}{node}", nn.Identity())
        return getattr(module, "operator", module)(x)

    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        x = parts["stem"](images)
        for stage in (1, 2, 3):
            if stage > 1:
                x = parts[f"stage{stage}_reduction"](x)
            nodes = [x]
            for node in (1, 2, 3):
                nodes.append(sum(edge(stage, source, node, nodes[source]) for source in range(node)))
            x = nodes[-1]
        torch.testing.assert_close(network(images), parts["head"](x))


def _chosen(cell: Cell, kind: str) -> dict[str, str]:
    """A published cell as options: edges in the order of their sources."""
    options = {}
    for node, pair in enumerate(cell, 2):
        first, second = sorted(pair, key=lambda e: e.source)
        options[f"{kind}.node{node}.inputs"] = f"{first.source}-{second.source}"
        options[f"{kind}.node{node}.first"] = first.operation
        options[f"{kind}.node{node}.second"] = second.operation
    return options


def test_the_cells_of_darts_have_their_published_size() -> None:
    """Liu et al. 2019, table 1: the second-order cells have 3.3 M parameters in 20 cells of 36 channels."""
    space = DartsSpace("darts", "", (3, 32, 32), 10, channels=36, cells=20)
    architecture = {**_chosen(SECOND_ORDER.normal, "normal"), **_chosen(SECOND_ORDER.reduction, "reduction")}
    assert round(architecture_counts(space, architecture).parameters / 1e6, 2) == 3.35


def test_cells_of_darts_compute_what_the_zoos_do() -> None:
    space = DartsSpace("darts", "", (3, 16, 16), 4, channels=4, cells=3)
    architecture = {**_chosen(SECOND_ORDER.normal, "normal"), **_chosen(SECOND_ORDER.reduction, "reduction")}
    torch.manual_seed(0)
    network = space.network(architecture).eval()
    parts = dict(network.parts)
    cell = DartsCell(SECOND_ORDER.reduction, 12, 16, 8, reduces=True, after_reduction=False).eval()
    edges = []
    for node, pair in enumerate(SECOND_ORDER.reduction, 2):
        in_order = sorted(pair, key=lambda e: e.source)
        for one in pair:
            which = "first" if one is in_order[0] else "second"
            edges.append(parts.get(f"cell2_node{node}_{which}", nn.Identity()))
    cell.fit_before_last, cell.fit_last = parts["cell2_before"], parts["cell2_last"]
    cell.edges = nn.ModuleList(getattr(edge, "operator", edge) for edge in edges)
    images = torch.randn(2, 3, 16, 16)
    seen = {}
    for name in ("stem", "cell1_output", "cell2_output"):
        parts[name].register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    with torch.no_grad():
        network(images)
        torch.testing.assert_close(cell(seen["stem"], seen["cell1_output"]), seen["cell2_output"])


def test_operators_of_darts_are_those_of_its_network() -> None:
    assert tuple(OPERATIONS) == OPERATORS


def test_mobilenet_v2_is_in_a_space_of_its_blocks() -> None:
    """Parameters and multiply-adds of torchvision's, in docs/zoo.md."""
    rows = [(1, 16, 1, 1), (2, 24, 2, 6), (2, 32, 3, 6), (2, 64, 4, 6), (1, 96, 3, 6), (2, 160, 3, 6)]
    rows.append((1, 320, 1, 6))
    stages = tuple(MBConvStage(s, (w,), (d,), (3,), (e,), (False,)) for s, w, d, e in rows)
    space = MBConvSpace("v2", "", (3, 224, 224), 1000, stages, stem=32, stem_stride=2, head=1280)
    counts = architecture_counts(space, space.sample(random.Random(0)))
    assert (counts.parameters, counts.macs) == (3_504_872, 300_774_272)
