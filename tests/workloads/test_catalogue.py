"""The catalogue against the networks that are really built, and the documentation against the catalogue."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hwnas.core.errors import UnknownName, UsageError
from hwnas.workloads.catalogue import NETWORKS, find_network
from hwnas.workloads.cost import workload_cost
from hwnas.workloads.models import model_name, parse_model
from hwnas.workloads.zoo import library, zoo_skeleton

STUDY = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "darts"),
    *("resnext50_32x4d", "resnext101_32x8d", "mobilenet_v2", "inception_v3", "nasnet_a_large"),
]

#: Multiply-adds of one image as published: torchvision's documentation; Zhang et al. 2018, Table 1;
#: Zoph et al. 2018, Table 2; timm's model cards. DARTS' 574 M are left out: nobody can reproduce them.
PUBLISHED_MACS = {
    "resnet18": 1.814e9,
    "resnet34": 3.664e9,
    "resnet50": 4.089e9,
    "resnet101": 7.801e9,
    "resnet152": 11.514e9,
    "resnext50_32x4d": 4.23e9,
    "resnext101_32x8d": 16.414e9,
    "mobilenet_v2": 0.301e9,
    "inception_v3": 5.713e9,
    "nasnet_a_large": 23.8e9,
    "shufflenet_v1": 0.137e9,
    "shufflenet_v2": 0.145e9,
    "squeezenet1_1": 0.349e9,
    "xception": 8.4e9,
    "se_resnet50": 4.1e9,
}

DOCUMENT = Path(__file__).parents[2] / "docs" / "zoo.md"
ROW = re.compile(
    r"^\| `(\w+)` \| (\S+) \| (\d+) x \3 \| ([\d ]+) \| ([\d ]+) \| ([^|]+) "
    r"\| ([\d ]+) \| ([^|]+) \| ([^|]*) \|$",
    re.MULTILINE,
)


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_are_the_published_ones(name: str) -> None:
    network = NETWORKS[name]
    counts = network.count()
    assert counts.parameters == pytest.approx(network.parameters, rel=0.005)
    assert not counts.uncounted
    if name in PUBLISHED_MACS:
        assert counts.macs == pytest.approx(PUBLISHED_MACS[name], rel=0.006)
    assert DOCUMENTED[name] == (counts.parameters, counts.macs)


def documented() -> dict[str, tuple[int, int]]:
    def number(text: str) -> int:
        return int(text.replace(" ", ""))

    return {row[0]: (number(row[3]), number(row[6])) for row in ROW.findall(DOCUMENT.read_text("utf-8"))}


DOCUMENTED = documented()


def test_the_document_lists_the_catalogue() -> None:
    assert list(DOCUMENTED) == list(NETWORKS)
    for name, where, image, _, parameters, published, _, paper, group in ROW.findall(
        DOCUMENT.read_text("utf-8")
    ):
        network = NETWORKS[name]
        origin = "hwnas" if network.kind == "zoo" else f"`{network.kind}:{network.model}`"
        assert (where, int(image), int(parameters.replace(" ", ""))) == (
            origin,
            network.image,
            network.parameters,
        )
        assert (published, paper, group) == (network.published, network.paper, network.group)


def test_all_networks_of_the_study_are_there_and_first() -> None:
    assert [name for name, network in NETWORKS.items() if network.group] == STUDY
    assert list(NETWORKS)[: len(STUDY)] == STUDY


def test_the_second_darts_of_the_study_is_explained_as_a_backend() -> None:
    assert "torch-mkldnn" in NETWORKS["darts"].note


@pytest.mark.parametrize("name", NETWORKS)
def test_a_name_declares_the_very_workload_of_its_library(name: str) -> None:
    network = NETWORKS[name]
    workload = parse_model(f"zoo:{name}", batch=2, seed=5)
    assert workload == network.workload(batch=2, seed=5)
    libraries = library(network.kind)
    libraries.check_name(network.model)
    assert libraries.default_image(network.model) == network.image_shape
    if network.kind == "zoo":
        assert model_name(workload) == f"zoo:{name}"
    else:
        assert workload.key == parse_model(f"{network.kind}:{network.model}", batch=2, seed=5).key


def test_an_input_replaces_the_networks_own() -> None:
    assert parse_model("zoo:xception", input_shape=(2, 3, 96, 96)).input_shape == (2, 3, 96, 96)


@pytest.mark.parametrize(
    ("text", "close"),
    [("zoo:dart", "darts"), ("zoo:resnet81", "resnet18"), ("zoo:nasnetalarge", "nasnet_a_large")],
)
def test_an_unknown_name_lists_close_ones(text: str, close: str) -> None:
    with pytest.raises(UnknownName, match=close):
        parse_model(text)
    with pytest.raises(UnknownName):
        find_network("")


def test_a_bare_name_says_its_prefix() -> None:
    with pytest.raises(UsageError, match=r"Write zoo:darts$"):
        parse_model("darts")


def test_a_network_costs_nothing_to_name() -> None:
    code = (
        "import sys\n"
        "from hwnas.workloads.models import parse_model\n"
        "parse_model('zoo:nasnet_a_large'), parse_model('zoo:resnet18'), parse_model('zoo:darts')\n"
        "loaded = {'torch', 'timm', 'torchvision'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@pytest.mark.parametrize("kind", ["pattern", "file"])
def test_only_named_kinds_have_a_library(kind: str) -> None:
    with pytest.raises(UsageError, match=kind):
        library(kind)


@pytest.mark.parametrize("name", ["darts", "shufflenet_v1"])
def test_our_own_networks_have_costs_like_the_others(name: str) -> None:
    network = NETWORKS[name]
    one, four = (workload_cost(network.workload(batch)) for batch in (1, 4))
    assert one.macs is not None
    assert four.macs == 4 * one.macs
    assert one.parameters == four.parameters == DOCUMENTED[name][0]
    assert one.weights_bytes > 4 * DOCUMENTED[name][0]
    skeleton = zoo_skeleton(network.workload())
    assert all(t.device == torch.device("meta") for t in skeleton.state_dict().values())
