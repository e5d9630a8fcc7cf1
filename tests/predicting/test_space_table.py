"""The table of a small space, against predictions of its whole networks."""

from __future__ import annotations

import copy
import itertools
import re
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.core.errors import CellError, UsageError
from hwnas.core.kernel import Kernel
from hwnas.core.workload import Scalar, Workload
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.predicting.listing import listing_backend, many_kernels, program_kernels
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.table_correction import Correction, correction
from hwnas.workloads.build import fill_norms
from hwnas.workloads.randomness import generator
from hwnas.workloads.spaces.space import Part, PartModule, Space
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_workload

BLOCKS = """\
kind: mbconv
input: 1x16x16
classes: 10
stem: 8
stages:
  - {width: [8], depth: [1], kernel: [3, 5], expansion: [1]}
"""


@pytest.fixture(scope="module")
def table(chain_predictor: LatencyPredictor, space: Space) -> LatencyTable:
    return chain_predictor.table(space)


def architectures(space: Space) -> list[dict[str, object]]:
    names = [c.name for c in space.choices]
    return [dict(zip(names, o, strict=True)) for o in itertools.product(*(c.options for c in space.choices))]


def test_it_says_of_whole_networks_what_the_predictor_says(
    chain_predictor: LatencyPredictor, space: Space, table: LatencyTable
) -> None:
    """Up to its own deviation, for nine of ten: the space has fewer networks than are compared."""
    off = []
    for architecture in architectures(space):
        whole = chain_predictor.predict(space_workload(space, architecture))  # type: ignore[arg-type]
        off.append(abs(whole.latency_s / table.latency(architecture) - 1))  # type: ignore[arg-type]
    assert table.deviation is not None
    assert sum(one > table.deviation + 1e-9 for one in off) <= len(off) // 10
    assert max(off) < 0.3


def test_one_factor_corrects_it(
    chain_predictor: LatencyPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it: parts that choices decide, and those that are in every network."""
    (tmp_path / "blocks.yaml").write_text(BLOCKS)
    space = load_space(str(tmp_path / "blocks.yaml"))
    alone = chain_predictor.table(space, whole_networks=0)
    assert alone.deviation is None
    assert alone.constant_s > 0
    asked: list[int] = []

    def corrected(_: object, __: object, table: LatencyTable, networks: int, told: object) -> Correction:
        asked.append(networks)
        torch.testing.assert_close(table.table_s, alone.table_s)
        return Correction(1.25, 0.04)

    monkeypatch.setattr("hwnas.predicting.space_table.correction", corrected)
    table = chain_predictor.table(space, whole_networks=7)
    assert asked == [7]
    assert table.deviation == 0.04
    torch.testing.assert_close(table.table_s, 1.25 * alone.table_s)
    torch.testing.assert_close(table.constant_s, 1.25 * alone.constant_s)


def test_operators_never_seen_are_told(chain_predictor: LatencyPredictor, tmp_path: Path) -> None:
    (tmp_path / "blocks.yaml").write_text(BLOCKS)
    space = load_space(str(tmp_path / "blocks.yaml"))
    # One that has never heard of a convolution.
    unknowing = copy.copy(chain_predictor)
    model = chain_predictor.kernel_model
    unknowing.kernel_model = replace(model, types=model.types - {"Convolution"}, table={})
    for predictor, named in ((chain_predictor, False), (unknowing, True)):
        told: list[str] = []
        made = predictor.table(space, whole_networks=0, told=told.append)
        guessed = [text for text in told if text.startswith("never seen in training, and guessed")]
        assert any("Convolution" in text for text in guessed) is named
        assert any("Convolution" in name for name in made.guessed) is named
        assert LatencyTable.from_dict(made.to_dict()).guessed == made.guessed


class _Forgetful:
    """In place of the listing: takes parts and keeps none."""

    def __init__(self, *_: object, **__: object) -> None:
        self.unseen: set[str] = set()

    def __enter__(self) -> _Forgetful:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def ask(self, part: PartModule) -> str:
        return "a part"

    def seconds(self, key: str) -> float:
        return 1e-3


def test_modules_of_parts_do_not_wait_for_each_other(
    chain_predictor: LatencyPredictor, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All combinations of wide layers at once would be gigabytes."""
    alive: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()
    at_once: list[int] = []
    make = type(space).part_module

    def made(own: Space, part: Part, options: dict[str, Scalar]) -> PartModule | None:
        found = make(own, part, options)
        if found is not None:
            alive.add(found.module)
        at_once.append(len(alive))
        return found

    monkeypatch.setattr(type(space), "part_module", made)
    monkeypatch.setattr("hwnas.predicting.space_table.PartListing", _Forgetful)
    chain_predictor.table(space, whole_networks=0)
    assert len(at_once) > 12
    assert max(at_once) <= 2


def test_a_space_without_a_network_that_can_be_predicted_is_said(
    chain_predictor: LatencyPredictor, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwnas.predicting.space_table.PartListing", _Forgetful)
    monkeypatch.setattr("hwnas.predicting.space_table.correction", lambda *_: None)
    for networks, said in ((3, True), (0, False)):
        told: list[str] = []
        table = chain_predictor.table(space, whole_networks=networks, told=told.append)
        assert table.deviation is None
        assert any("no whole network" in text for text in told) is said


def test_a_batch_that_is_none_is_refused_before_anything_is_listed(
    chain_predictor: LatencyPredictor, space: Space
) -> None:
    told: list[str] = []
    with pytest.raises(UsageError, match="batch is 0"):
        chain_predictor.table(space, batch=0, told=told.append)
    assert not told


def test_the_factor_is_the_middle_of_whole_networks_and_the_deviation_holds_nine_of_ten(
    chain_predictor: LatencyPredictor, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = next(choice.name for choice in space.choices if choice.name.endswith("depth"))
    factors = [Factor("blocks", depth, [1e-3, 2e-3])]
    choices = {choice.name: choice.options for choice in space.choices}
    table = LatencyTable(choices, factors, 1e-3, backend="openvino:cpu:fp32", host="here", batch=1)
    ratios = iter([1.2, 1.1, None, 1.2, 1.26, 1.2, 1.2, 1.14])

    def latencies_s(_: object, workloads: list[Workload]) -> list[float | None]:
        sums = [table.latency(space.parse(str(w.params["architecture"]))) for w in workloads]
        return [ratio and ratio * s for s, ratio in zip(sums, ratios, strict=False)]

    monkeypatch.setattr("hwnas.predicting.table_correction._latencies_s", latencies_s)
    told: list[str] = []
    found = correction(chain_predictor, space, table, 20, told.append)
    assert found is not None
    assert found.factor == pytest.approx(1.2)
    assert found.deviation == pytest.approx(0.1 / 1.2)
    # The space has eight networks, and no more.
    assert told == ["whole networks 1 to 5 of 8", "whole networks 6 to 8 of 8"]


def test_the_deviation_travels_with_the_table(table: LatencyTable, tmp_path: Path) -> None:
    table.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json").deviation == table.deviation


def test_the_largest_takes_longest(space: Space, table: LatencyTable) -> None:
    names = {kind: next(c.name for c in space.choices if c.name.endswith(kind)) for kind in ("width", "depth")}
    largest = {**architectures(space)[0], names["width"]: 64, names["depth"]: 2}
    smaller = {**largest, names["depth"]: 1}
    smallest = {**smaller, names["width"]: 16}
    found = [table.latency(a) for a in (largest, smaller, smallest)]  # type: ignore[arg-type]
    assert found == sorted(found, reverse=True)
    assert found[0] > 1.5 * found[2]


def test_at_one_hot_the_expectation_is_the_latency(space: Space, table: LatencyTable) -> None:
    architecture = architectures(space)[-1]
    probabilities = {}
    for choice in space.choices:
        one_hot = torch.zeros(len(choice.options), dtype=torch.float64)
        one_hot[choice.options.index(architecture[choice.name])] = 1.0  # type: ignore[arg-type]
        probabilities[choice.name] = one_hot.requires_grad_()
    expected = table.expected(probabilities)
    assert float(expected.detach()) == pytest.approx(table.latency(architecture), rel=1e-6)  # type: ignore[arg-type]
    expected.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in probabilities.values())


def test_it_knows_its_backend_and_host(chain_predictor: LatencyPredictor, table: LatencyTable) -> None:
    assert table.backend == "openvino:cpu:fp32"
    assert chain_predictor.environment.fingerprint in table.host


@pytest.mark.parametrize("name", ["nasbench201", "darts", "mbconv"])
def test_parts_listed_together_are_what_each_is_alone(name: str) -> None:
    """Converted as one network and taken apart again: sums with two inputs, poolings, residual blocks."""
    found = load_space(name)
    parts: dict[str, PartModule] = {}
    for part in found.parts():
        for options in found.combinations(part):
            module = found.part_module(part, options)
            if module is not None:
                parts.setdefault(re.sub(r"\d+", "", repr(module.module)), module)
        if len(parts) >= 4:
            break
    programs = []
    for module in parts.values():
        fill_norms(module.module, generator(0))
        inputs = tuple(torch.zeros(1, *shape) for shape in module.input_shapes)
        programs.append(Program(inputs, module.module.eval()))
    runtime, caches = listing_backend("openvino:cpu:fp32"), ["65536,16,64"]
    together = many_kernels(runtime, programs, 1, caches)
    alone = [program_kernels(runtime, program, 1, caches) for program in programs]
    assert [_nameless(k) for k in together] == [_nameless(k) for k in alone]
    assert any(k.attributes["llc_misses"]["65536,16,64"] for k in together[0])


def test_a_part_that_cannot_be_converted_gives_its_own_reason() -> None:
    class Wavering(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1.0 if x.sum() > 0 else x

    x = torch.zeros(1, 4, 8, 8)
    programs = [Program((x,), torch.nn.Conv2d(4, 4, 3).eval()), Program((x,), Wavering())]
    sessions = backend("openvino:cpu:fp32").compile_many(programs, 1)
    assert [k.type for k in next(sessions).listed_kernels() if k.type == "Convolution"] == ["Convolution"]
    with pytest.raises(CellError, match="cannot convert the network: "):
        next(sessions)


def _nameless(kernels: tuple[Kernel, ...]) -> list[Kernel]:
    """Without names, which count a network's operators."""
    return [replace(k, name="", fused=tuple(re.sub(r"_\d+", "", name) for name in k.fused)) for k in kernels]
