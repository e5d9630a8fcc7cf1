"""A predictor's table of inverted bottlenecks is a lookup table that other programs read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hwnas.core.errors import UnknownName, UsageError
from hwnas.predicting.block_key import BlockKey
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.predicting.lookup_yaml import LookupTable
from hwnas.predicting.part_keys import pieces_of, with_squeezing
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import load_space

SPACE = """\
kind: mbconv
input: 1x16x16
classes: 10
stem: 8
head: 32
stages:
  - {stride: 2, width: [8, 16], depth: [1, 2], kernel: [3], expansion: [1, 3], se: [false, true]}
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    path = tmp_path_factory.mktemp("space") / "mine.yaml"
    path.write_text(SPACE)
    return load_space(str(path))


def keys_of(space: Space, name: str, **options: object) -> list[str | None]:
    part = next(p for p in space.parts() if p.name == name)
    chosen = {choice: options[choice.partition(".")[2]] for choice in part.choices}
    module = space.part_module(part, chosen)  # type: ignore[arg-type]
    assert module is not None
    return [piece.key for piece in pieces_of(module, squeezing=with_squeezing(space))]


def test_blocks_are_named_as_in_once_for_all_where_they_may_squeeze() -> None:
    space = load_space("mbconv")
    found = keys_of(space, "stage1_block1", width=16, kernel=5, expansion=3, se=True)
    assert found == [
        "expanded_conv-input:32x32x16-output:32x32x16-expand:48-kernel:5-stride:1-idskip:1-se:1-hs:0"
    ]
    assert keys_of(space, "head", width=96) == [
        "Conv_1-input:4x4x96-output:4x4x256",
        "Logits-input:4x4x256-output:10",
    ]


def test_blocks_are_named_as_in_proxylessnas_where_none_squeezes(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text(SPACE.replace(", se: [false, true]", "").replace("head: 32", "head: 0"))
    space = load_space(str(path))
    found = keys_of(space, "stage1_block1", width=16, kernel=3, expansion=3, se=False)
    assert found == ["expanded_conv-input:16x16x8-output:8x8x16-expand:3-kernel:3-stride:2-idskip:0"]
    assert keys_of(space, "head", width=16) == ["Logits-input:8x8x16-output:10"]


def test_every_part_of_the_shipped_space_that_a_choice_decides_has_a_key() -> None:
    space = load_space("mbconv")
    for part in space.parts():
        for options in space.combinations(part):
            with torch.device("meta"):
                module = space.part_module(part, options)
            if part.choices and module is not None:
                pieces = pieces_of(module, squeezing=True)
                assert all(str(BlockKey.parse(str(piece.key))) == piece.key for piece in pieces)


def test_a_predictors_table_goes_to_yaml_and_back(
    chain_predictor: LatencyPredictor, space: Space, tmp_path: Path
) -> None:
    table = chain_predictor.table(space, whole_networks=0)
    LookupTable.from_latency_table(table, unit="ms").save(tmp_path / "mine.yaml")
    lookup = LookupTable.load(tmp_path / "mine.yaml")
    # Two widths, two expansions, squeezing or not, where the stage begins and behind it; a convolution for each
    # width; and the classifier, which is the same for both.
    assert len(lookup) == 8 + 8 + 2 + 1
    names = list(table.choices)
    again = []
    for factor in table.factors:
        nested = factor.keys
        for choice in reversed(factor.choices[1:]):
            size = len(table.choices[choice])
            assert nested is not None
            nested = tuple(nested[i : i + size] for i in range(0, len(nested), size))
        assert nested is not None
        again.append(lookup.factor(factor.name, factor.choices, nested))
    rebuilt = LatencyTable(
        table.choices,
        again,
        table.constant_s.item(),
        backend=table.backend,
        host=table.host,
        batch=table.batch,
    )
    assert list(rebuilt.choices) == names
    for architecture, latency_s in (table.fastest(), table.slowest()):
        assert rebuilt.latency(architecture) == pytest.approx(latency_s, rel=1e-12)


def test_what_has_no_key_is_named() -> None:
    factors = [Factor("cell0", "a", [1.0, 2.0]), Factor("head", "a", [1.0, 2.0], ["k", "l"])]
    table = LatencyTable({"a": [1, 2]}, factors, 0.0, backend="x", host="y", batch=1)
    with pytest.raises(UsageError, match=r"^cell0 of the latency table have no key in this format.*leave_out"):
        LookupTable.from_latency_table(table, unit="ms")
    assert set(LookupTable.from_latency_table(table, unit="ms", leave_out=["cell0"]).entries) == {"k", "l"}
    with pytest.raises(UnknownName, match="cell1"):
        LookupTable.from_latency_table(table, unit="ms", leave_out=["cell1"])
