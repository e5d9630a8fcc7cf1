"""Cells as graphs, against the wiring of the networks that they stand for."""

import random

import pytest

from hwnas.workloads.spaces.cell_graph import CellGraph, Edge
from hwnas.workloads.spaces.space_file import load_space


def test_paths_lead_from_inputs_to_outputs():
    edges = (Edge("0", "1", "a"), Edge("0", "2", ""), Edge("1", "2", "b"), Edge("3", "2", "dead"))
    graph = CellGraph("cell", ("0",), ("2",), edges)
    assert {tuple(edge.operator for edge in path) for path in graph.paths()} == {("a", "b"), ("",)}


def test_an_output_may_be_on_the_way_to_another():
    edges = (Edge("0", "1", "a"), Edge("1", "2", "b"))
    assert len(list(CellGraph("cell", ("0",), ("1", "2"), edges).paths())) == 2


def test_nasbench201_leaves_out_none_and_names_no_skip():
    space = load_space("nasbench201")
    (graph,) = space.cell_graphs(
        space.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|")
    )
    assert graph.edges == (Edge("0", "1", "nor_conv_3x3"), Edge("1", "2", ""), Edge("2", "3", "avg_pool_3x3"))
    assert len(list(graph.paths())) == 1


def test_darts_has_two_cells_of_eight_edges():
    space = load_space("darts")
    architecture = space.sample(random.Random(1))
    graphs = space.cell_graphs(architecture)
    assert [graph.name for graph in graphs] == ["normal", "reduction"]
    for graph in graphs:
        assert len(graph.edges) == 8
        for edge in graph.edges:
            assert int(edge.source) < int(edge.target)


def test_only_a_skip_that_changes_nothing_is_none_at_all():
    space = load_space("darts")
    architecture = dict.fromkeys((choice.name for choice in space.choices), "skip_connect")
    architecture |= {f"{c}.node{n}.inputs": "0-1" for c in ("normal", "reduction") for n in (2, 3, 4, 5)}
    normal, reduction = space.cell_graphs(architecture)
    assert {edge.operator for edge in normal.edges} == {""}
    assert {edge.operator for edge in reduction.edges} == {"skip_connect"}


@pytest.mark.parametrize("name", ["patterns", "mbconv"])
def test_chains_have_no_cells(name):
    space = load_space(name)
    assert space.cell_graphs(space.sample(random.Random(0))) == ()
