"""The examples do what they say."""

from __future__ import annotations

import importlib.util
import itertools
import random
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
import torch

from hwnas.predicting.latency_factor import Factor
from hwnas.predicting.latency_table import LatencyTable
from hwnas.predicting.prediction import Prediction
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.workloads.models import parse_model
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import load_space


def example(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def test_pruning_reaches_the_latency_and_keeps_what_matters(chain_predictor: LatencyPredictor) -> None:
    found = example("prune_channels").run(chain_predictor, 0.7, epochs=10)
    assert found.after_s <= 0.7 * found.before_s
    assert sum(found.network.widths) < 160
    first, _, last = found.accuracies
    assert last > 0.7
    assert last > first - 0.1


@pytest.mark.parametrize(("target", "reached"), [(0.1, False), (0.6, True)])
def test_a_target_that_pruning_does_not_reach_is_said(
    chain_predictor: LatencyPredictor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    target: float,
    reached: bool,
) -> None:
    module = example("prune_channels")
    found = module.Pruned(module.Plain((16,)), 1e-3, 5e-4, (0.9, 0.5, 0.9))
    monkeypatch.setattr(sys, "argv", ["prune_channels.py", "--target", str(target)])
    monkeypatch.setattr(module, "host_predictor", lambda _: chain_predictor)
    monkeypatch.setattr(module, "run", lambda *_: found)
    module.main()
    assert ("out of reach" in capsys.readouterr().out) is not reached


def test_a_pruned_network_computes_what_is_left_of_it() -> None:
    module = example("prune_channels")
    torch.manual_seed(0)
    network = module.Plain((8, 16, 16)).eval()
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        # Channels without weight: nothing is lost with them.
        weight = network.convolutions[1].weight
        weight[:8] = 0.0
        network[4].running_mean.zero_()
        network[4].bias.zero_()
        smaller = module.without(network, 1, 8).eval()
        torch.testing.assert_close(smaller(x), network(x))
    assert smaller.widths == (8, 8, 16)


BLOCKS = """\
kind: mbconv
input: 1x8x8
classes: 10
stem: 8
stages:
  - {stride: 1, width: [8], depth: [1, 2], kernel: [3, 7], expansion: [1, 6]}
"""


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Space:
    path = tmp_path_factory.mktemp("blocks") / "blocks.yaml"
    path.write_text(BLOCKS)
    return load_space(str(path))


class Tabulated:
    """In place of a predictor: latencies that no host's noise changes."""

    def table(self, space: Space, **_: object) -> LatencyTable:
        seconds = {
            "stage1.depth": [1e-4, 2e-4],
            "stage1.kernel": [1e-4, 3e-4],
            "stage1.expansion": [1e-4, 5e-4],
        }
        return LatencyTable(
            {choice.name: choice.options for choice in space.choices},
            [Factor(name, (name,), torch.tensor(own)) for name, own in seconds.items()],
            1e-4,
            backend="openvino:cpu:fp32",
            host="a made-up machine",
            batch=1,
        )


def test_what_is_chosen_gets_faster_as_the_weight_of_latency_grows(blocks: Space) -> None:
    options = {"epochs": 6, "images": 192, "whole_networks": 0}
    table, found = example("latency_loss").run(Tabulated(), (0.0, 1.0, 30.0), blocks, **options)
    fastest_s, slowest_s = table.fastest()[1], table.slowest()[1]
    chosen, worth = [one.latency_s for one in found], slowest_s - fastest_s
    assert all(later <= earlier for earlier, later in itertools.pairwise(chosen))
    assert chosen[-1] < chosen[0] - 0.2 * worth
    # A weight that leaves nothing else to care for finds the fastest.
    assert chosen[-1] == pytest.approx(fastest_s)
    assert found[-1].expected_s < found[0].expected_s
    assert all(one.accuracy > 0.15 for one in found)
    assert all(table.latency(one.architecture) == one.latency_s for one in found)


def test_latency_is_steered_by_what_a_predictor_learned_here(
    chain_predictor: LatencyPredictor, blocks: Space
) -> None:
    options = {"epochs": 3, "images": 192, "whole_networks": 0}
    table, (steered,) = example("latency_loss").run(chain_predictor, (30.0,), blocks, **options)
    uniform = {name: torch.full((len(o),), 1 / len(o)) for name, o in table.choices.items()}
    assert table.fastest()[1] < steered.expected_s < float(table.expected(uniform))


def test_the_loop_in_the_manual_is_the_examples() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "latency_table.md").read_text(encoding="utf-8")
    shown = page.split("```python\n")[1].partition("```")[0]
    own = (root / "examples" / "latency_loss.py").read_text(encoding="utf-8")
    assert textwrap.indent(shown, " " * 8) in own


def test_what_the_manual_shows_of_the_other_examples_is_theirs() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "predict.md").read_text(encoding="utf-8")
    section = page.partition("\n## Examples\n")[2].partition("\n## ")[0]
    shown = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    for name, function in zip(("prune_channels", "rank_networks"), shown, strict=True):
        assert function.startswith("def ")
        assert function in (root / "examples" / f"{name}.py").read_text(encoding="utf-8")


def test_a_supernet_at_one_hot_is_the_network_that_was_chosen() -> None:
    module = example("latency_loss")
    space = load_space(str(module.SPACE))
    torch.manual_seed(0)
    supernet = module.Supernet(space).eval()
    architecture = space.sample(random.Random(3))
    one_hot = {
        c.name: torch.tensor([float(o == architecture[c.name]) for o in c.options]) for c in space.choices
    }
    x = torch.randn(2, *space.input_shape)
    with torch.no_grad():
        expected = x
        for part, mixture in zip(space.parts(), supernet.parts, strict=True):
            combinations = list(space.combinations(part))
            chosen = combinations.index({name: architecture[name] for name in part.choices})
            expected = mixture.forms[chosen](expected)
        torch.testing.assert_close(supernet(x, one_hot), expected)


def test_networks_are_ranked_by_predicted_latency(chain_predictor: LatencyPredictor) -> None:
    found = example("rank_networks").rank(chain_predictor, ["resnet18", "no_such_network", "resnet34"])
    names = [name for name, _ in found]
    assert names[-1] == "no_such_network"
    assert isinstance(found[-1][1], str)
    latencies = [p.latency_s for _, p in found if isinstance(p, Prediction)]
    assert latencies == sorted(latencies)
    assert names[0] == "resnet18"


def test_fifty_networks_are_ranked_that_timm_has() -> None:
    names = example("rank_networks").NETWORKS.split()
    assert len(set(names)) == len(names) == 50
    for name in names:
        assert parse_model(f"timm:{name}").input_shape[:2] == (1, 3)
