"""Architectures as workloads: their names, and what another process rebuilds from them."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.build import build
from hwnas.workloads.cost import workload_cost
from hwnas.workloads.models import model_name, parse_model
from hwnas.workloads.spaces.build import architecture_counts
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_model, space_workload

TEXT = "standard,16,1,3+grouped,32,2,5+depthwise_separable,64,1,3"
NASBENCH = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
MINE = """\
kind: patterns
input: 1x8x8
classes: 10
patterns: [standard, depthwise_separable]
stages:
  - {width: [8, 16], depth: [0, 1, 2]}
"""


@pytest.mark.parametrize("text", [f"space:patterns:{TEXT}", f"space:nasbench201:{NASBENCH}"])
def test_a_model_is_read_as_it_is_written(text: str) -> None:
    workload = parse_model(text, batch=4, seed=3)
    assert (workload.kind, workload.input_shape, workload.seed) == ("space", (4, 3, 32, 32), 3)
    assert space_model(workload) == text
    assert Workload.from_dict(workload.to_dict()) == workload
    assert parse_model(text, input_shape=(4, 3, 32, 32), seed=3) == workload


def test_labels_are_short_and_tell_architectures_apart() -> None:
    space = load_space("darts")
    workloads = [space_workload(space, space.sample(random.Random(seed))) for seed in range(5)]
    assert len({w.label for w in workloads}) == len({model_name(w) for w in workloads}) == 5
    assert all(len(w.label) < 30 and w.label.startswith("darts#") for w in workloads)
    assert all(model_name(w) == f"space:{w.short_name}" for w in workloads)
    # A user's file may lie deep.
    assert replace(workloads[0], name="/home/me/spaces/darts.yaml").label == workloads[0].label


def test_another_process_rebuilds_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = parse_model(f"space:patterns:{TEXT}", batch=2).to_dict()
    # Shipped spaces are found from any folder.
    monkeypatch.chdir(tmp_path)
    first, again = (build(Workload.from_dict(declared)) for _ in range(2))
    assert not any(module.training for module in first.module.modules())
    state = again.module.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in first.module.state_dict().items())
    with torch.no_grad():
        scores = first.module(*first.inputs)
        assert torch.equal(scores, again.module(*again.inputs))
    assert scores.shape == (2, 10)
    assert float(scores.std()) > 1e-3
    other = build(Workload.from_dict({**declared, "seed": 1})).module.state_dict()
    assert not torch.equal(other["parts.stem.0.weight"], state["parts.stem.0.weight"])


def test_a_cost_is_counted_without_building() -> None:
    workload = parse_model(f"space:patterns:{TEXT}", batch=8)
    space = load_space("patterns")
    counts = architecture_counts(space, space.parse(TEXT))
    cost = workload_cost(workload)
    assert (cost.macs, cost.parameters) == (8 * counts.macs, counts.parameters)
    assert workload_cost(parse_model(f"space:patterns:{TEXT}", batch=10**8)).macs == 10**8 * counts.macs


def test_a_users_file_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    workload = parse_model("space:mine.yaml:standard,16,2,3")
    assert (workload.name, workload.input_shape) == ("mine.yaml", (1, 1, 8, 8))
    assert build(workload).module(*build(workload).inputs).shape == (1, 10)
    # The title is no part of the networks; what follows is.
    (tmp_path / "mine.yaml").write_text(MINE + "title: mine\n")
    assert parse_model("space:mine.yaml:standard,16,2,3") == workload
    (tmp_path / "mine.yaml").write_text(MINE + "head: 32\n")
    assert parse_model("space:mine.yaml:standard,16,2,3").key != workload.key
    for use in (build, workload_cost):
        with pytest.raises(UsageError, match=r"mine\.yaml is not defined as it was"):
            use(workload)


def test_architectures_with_equal_networks_are_one_workload(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    one, other = (parse_model(f"space:{path}:{p},16,0,3") for p in ("standard", "depthwise_separable"))
    assert one == other
    assert one.key == other.key


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("space:patterns", UsageError, ["names no architecture", "space:NAME:ARCHITECTURE"]),
        ("space:paterns:x", UnknownName, ["patterns"]),
        ("space:patterns:", UsageError, ["12 options"]),
        (f"space:patterns:{TEXT.replace('grouped', 'gruoped')}", UnknownName, ["stage2.pattern", "grouped"]),
        ("space:", UsageError, ["space:NAME:ARCHITECTURE"]),
        ("space::standard", UsageError, ["names no architecture"]),
    ],
)
def test_wrong_models_are_one_line(text: str, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        parse_model(text)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(UsageError, match=r"3x32x32, not 3x64x64.*--input"):
        parse_model(f"space:patterns:{TEXT}", input_shape=(1, 3, 64, 64))
    workload = parse_model(f"space:patterns:{TEXT}")
    odd = Workload("space", "patterns", (1, 3, 16, 16), workload.params)
    with pytest.raises(UsageError, match="3x32x32, not 3x16x16"):
        build(odd)


def test_spaces_need_no_torch_before_a_module_is_asked_for() -> None:
    code = (
        "import random, sys\n"
        "from hwnas.workloads.spaces.space_file import load_space\n"
        "from hwnas.workloads.spaces.workload import space_model, space_workload\n"
        "for name in ('patterns', 'mbconv', 'darts', 'nasbench201'):\n"
        "    space = load_space(name)\n"
        "    space_workload(space, space.sample(random.Random(0))), space.count(), space.picture()\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
