"""Costs of workloads from their declaration."""

import subprocess
import sys

import pytest

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.build import build, load_untrained, new_module
from hwnas.workloads.cost import WorkloadCost, workload_cost
from hwnas.workloads.models import parse_model
from hwnas.workloads.patterns import PatternStack, pattern_workload
from hwnas.workloads.randomness import example_input


def test_a_stack_costs_its_closed_forms() -> None:
    workload = pattern_workload("grouped", depth=1000, width=512, batch=32, resolution=224)
    stack, cost = PatternStack.of(workload), workload_cost(workload)
    assert (cost.macs, cost.parameters) == (stack.macs, stack.parameters)
    assert (cost.weights_bytes, cost.peak_activation_bytes) == (
        stack.weights_bytes,
        stack.peak_activation_bytes,
    )


def test_a_zoo_network_costs_activations_in_proportion_to_its_batch() -> None:
    one, eight = (
        workload_cost(parse_model("torchvision:resnet18", input_shape=(batch, 3, 64, 64))) for batch in (1, 8)
    )
    assert eight.macs == 8 * one.macs
    assert eight.weights_bytes == one.weights_bytes
    assert eight.peak_activation_bytes == pytest.approx(8 * one.peak_activation_bytes, rel=0.01)
    assert eight.activation_bytes == pytest.approx(8 * one.activation_bytes, rel=0.01)


@pytest.mark.parametrize("name", ["torchvision:resnet18", "pattern"])
def test_a_batch_that_no_memory_holds_still_has_its_cost(name: str) -> None:
    """So that it is refused with what it would take, and not by the allocator."""

    def cost(batch: int) -> WorkloadCost:
        if name == "pattern":
            return workload_cost(pattern_workload("standard", depth=1, width=8, batch=batch))
        return workload_cost(parse_model(name, input_shape=(batch, 3, 224, 224)))

    assert cost(10**8).macs == 10**8 * cost(1).macs
    assert cost(10**8).peak_activation_bytes > 2**44


def test_the_same_of_a_factory(tmp_path, monkeypatch) -> None:
    code = "import torch\ndef make():\n    return torch.nn.Conv2d(3, 4, 3)\n"
    (tmp_path / "vast_net.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    workload = parse_model("vast_net:make", input_shape=(10**8, 3, 224, 224))
    assert workload_cost(workload).macs == 10**8 * 222 * 222 * 3 * 4 * 9


def test_an_input_that_nothing_can_hold_is_told_in_one_line() -> None:
    with pytest.raises(OutOfMemory, match="does not fit into memory") as caught:
        # Beyond the addresses of a process, so that no system promises them.
        example_input(Workload("pattern", "standard", (10**9, 3, 224, 224)))
    assert "--batch" in str(caught.value)
    with pytest.raises(UsageError, match="too many values"):
        example_input(Workload("pattern", "standard", (10**15, 3, 224, 224)))
    with pytest.raises(UsageError, match="too many values"):
        workload_cost(parse_model("torchvision:resnet18", input_shape=(10**15, 3, 224, 224)))


@pytest.mark.parametrize("load", [build, load_untrained, new_module])
def test_weights_that_nothing_can_hold_are_told_in_one_line(load) -> None:
    # Beyond the addresses of a process, so that no system promises them.
    vast = pattern_workload("standard", depth=1, width=2**23, resolution=1)
    with pytest.raises(OutOfMemory, match=r"standard d1 w8388608 1x1 b1 does not fit into memory"):
        load(vast)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match="seed"):
        example_input(Workload("pattern", "standard", (1, 8, 8, 8), seed=seed))


def test_patterns_need_no_torch() -> None:
    code = (
        "import sys\n"
        "from hwnas.workloads.patterns import pattern_workload, PATTERNS\n"
        "from hwnas.workloads.cost import workload_cost\n"
        "import hwnas.workloads.models\n"
        "[workload_cost(pattern_workload(p, depth=1, width=8)) for p in PATTERNS]\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
