"""Costs of workloads from their declaration."""

import subprocess
import sys

import pytest

from hwnas.core.errors import UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.cost import workload_cost
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
