"""Modules that exist only as objects."""

import copy
import importlib.util
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

from hwnas.core.errors import UsageError
from hwnas.workloads.build import load_program
from hwnas.workloads.cost import module_cost, workload_cost
from hwnas.workloads.live import dump_module, workload_of_module

VALUES = (torch.zeros(2, 4),)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU()).eval()


def test_equal_modules_have_equal_keys() -> None:
    workload = workload_of_module(network(), VALUES)
    assert (workload.kind, workload.name, workload.input_shape) == ("module", "Sequential", (2, 4))
    assert workload_of_module(copy.deepcopy(network()), VALUES).key == workload.key


def test_the_key_follows_weights_types_architecture_and_shape() -> None:
    module = network()
    other_weight = network()
    with torch.no_grad():
        other_weight[0].weight[0, 0] += 1e-3
    other_layer = nn.Sequential(module[0], nn.ReLU6())
    workloads = [
        workload_of_module(m, values)
        for m, values in [
            (module, VALUES),
            (other_weight, VALUES),
            (other_layer, VALUES),
            (network().half(), VALUES),
            (module, (torch.zeros(3, 4),)),
        ]
    ]
    assert len({w.key for w in workloads}) == len(workloads)


def keys_of_classes_named_alike(folder):
    """Keys of modules that differ in nothing but a sign: each from a file, and without any source."""
    for sign in "+-":
        code = f"from torch import nn\nclass Net(nn.Module):\n    def forward(self, x): return x {sign} 1\n"
        path = folder / f"{ord(sign)}" / "alike.py"
        path.parent.mkdir()
        path.write_text(code)
        spec = importlib.util.spec_from_file_location("alike", path)
        sys.modules["alike"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["alike"])
        prompt = {"__name__": "prompt"}
        exec(code, prompt)
        yield [workload_of_module(cls(), VALUES).key for cls in (sys.modules["alike"].Net, prompt["Net"])]


def test_the_key_follows_the_code(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "alike", None)
    adding, subtracting = keys_of_classes_named_alike(tmp_path)
    assert adding[0] != subtracting[0]
    assert adding[1] != subtracting[1]


class Holding(nn.Module):
    """Prints with the address of a function."""

    def __init__(self) -> None:
        super().__init__()
        self.function = lambda x: x

    def extra_repr(self) -> str:
        return repr(self.function)


def test_addresses_do_not_matter() -> None:
    assert workload_of_module(Holding(), VALUES).key == workload_of_module(Holding(), VALUES).key


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.int8])
def test_weights_of_any_type_are_covered(dtype: torch.dtype) -> None:
    module = nn.Module()
    module.register_buffer("values", torch.ones((), dtype=dtype))
    first = workload_of_module(module, VALUES)
    module.values += 1
    assert workload_of_module(module, VALUES).key != first.key


def test_a_module_travels_to_another_process(tmp_path) -> None:
    script = tmp_path / "prompt.py"
    # A class of __main__, as in a notebook, unknown to the process that reads it.
    script.write_text(
        "import sys, torch\n"
        "from hwnas.workloads.live import dump_module\n"
        "class Local(torch.nn.Module):\n"
        "    def forward(self, x): return 2 * x\n"
        "sys.stdout.buffer.write(dump_module(Local(), (torch.ones(2, 4),)))\n"
    )
    blob = subprocess.run([sys.executable, str(script)], check=True, capture_output=True).stdout
    program = load_program(workload_of_module(network(), VALUES), blob)
    assert program.module is not None
    assert not program.module.training
    assert torch.equal(program.module(*program.inputs), torch.full((2, 4), 2.0))


def test_the_original_is_not_touched() -> None:
    module = network().train()
    load_program(workload_of_module(module, VALUES), dump_module(module, VALUES))
    assert module.training


def test_a_module_of_an_earlier_process_is_gone() -> None:
    workload = workload_of_module(network(), VALUES)
    with pytest.raises(UsageError, match="cannot be rebuilt"):
        load_program(workload)
    with pytest.raises(UsageError, match="live object"):
        workload_cost(workload)


def test_what_cannot_travel_is_said() -> None:
    module = network()
    module.lock = threading.Lock()
    with pytest.raises(UsageError, match="cannot be sent to a worker process"):
        dump_module(module, VALUES)


@pytest.mark.parametrize(
    "inputs",
    [(), (torch.zeros(1, 4), torch.zeros(1)), (torch.zeros(1, 4).int(),), (torch.tensor(1.0),), ([1.0],)],
)
def test_the_example_must_be_one_float_tensor(inputs) -> None:
    with pytest.raises(UsageError, match="example input"):
        workload_of_module(network(), inputs)


def test_a_model_must_be_a_module() -> None:
    with pytest.raises(UsageError, match="is a function"):
        workload_of_module(network, VALUES)


def test_the_cost_of_a_live_module() -> None:
    cost = module_cost(network(), VALUES)
    assert (cost.macs, cost.parameters, cost.weights_bytes) == (2 * 16, 20, 80)


def test_layers_without_shapes_are_told() -> None:
    for weights in (True, False):
        with pytest.raises(UsageError, match=r"tensors cannot be read: .*Call it once"):
            workload_of_module(nn.Sequential(nn.LazyLinear(4)), VALUES, weights=weights)


def test_tensors_without_data_are_told() -> None:
    with torch.device("meta"):
        skeleton, shape = nn.Linear(4, 4), torch.zeros(2, 4)
    with pytest.raises(UsageError, match="meta device"):
        workload_of_module(skeleton, VALUES)
    # Its structure is known all the same, and its kernels are not.
    assert workload_of_module(skeleton, VALUES, weights=False).params
    for module, inputs in ((skeleton, VALUES), (network(), (shape,))):
        with pytest.raises(UsageError, match="tensors without data"):
            dump_module(module, inputs)
