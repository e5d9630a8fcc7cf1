"""The networks of the study and some of their kin, by the names that ``zoo:NAME`` takes.

A list of what exists; nothing here imports a library that builds networks before it is asked to count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from hwnas.core.errors import UnknownName
from hwnas.core.workload import Workload

if TYPE_CHECKING:
    from hwnas.workloads.counting import Counts

#: The study's groups. Source: its section 2.3.
_STANDARD = "standard convolution"
_BOTTLENECK = "bottleneck convolution"
_GROUPED = "grouped convolution"
_DEPTHWISE_BOTTLENECK = "depthwise bottleneck convolution"
_FACTORIZED = "bottleneck and factorized convolution"
_SEARCHED = "neural architecture search"

_RESNET = "He et al. 2016, arXiv:1512.03385"
_RESNEXT = "Xie et al. 2017, arXiv:1611.05431"
_TORCHVISION = "torchvision's documentation"


@dataclass(frozen=True)
class ZooNetwork:
    """One network of the catalogue.

    Args:
        name: As users write it behind ``zoo:``.
        kind: Kind of its workload: ``torchvision``, ``timm``, or ``zoo`` for networks of our own.
        model: Its name there.
        parameters: As published, to the digits that were.
        published: Where that number stands.
        paper: Who introduced the network.
        group: The design pattern under which the study files it; empty for networks that it does not time.
        image: Height and width of its input.
        note: What else to know of it.
    """

    name: str
    kind: str
    model: str
    parameters: int
    published: str
    paper: str
    group: str = ""
    image: int = 224
    note: str = ""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``(channels, height, width)`` of the input, without the batch."""
        return (3, self.image, self.image)

    def workload(self, batch: int = 1, seed: int = 0) -> Workload:
        """The network at its own input size; the same as the library's own name declares."""
        return Workload(self.kind, self.model, (batch, *self.image_shape), seed=seed)

    def count(self) -> Counts:
        """Parameters, and multiply-adds of one image, counted on shapes alone.

        Raises:
            UnknownName: The installed library does not have the network.
        """
        from hwnas.workloads.counting import count
        from hwnas.workloads.randomness import input_without_memory
        from hwnas.workloads.zoo import zoo_skeleton

        workload = self.workload()
        return count(zoo_skeleton(workload), (input_without_memory(workload),), f"zoo:{self.name}")


_ROWS = (
    ZooNetwork("resnet18", "torchvision", "resnet18", 11_689_512, _TORCHVISION, _RESNET, _STANDARD),
    ZooNetwork("resnet34", "torchvision", "resnet34", 21_797_672, _TORCHVISION, _RESNET, _STANDARD),
    ZooNetwork("resnet50", "torchvision", "resnet50", 25_557_032, _TORCHVISION, _RESNET, _BOTTLENECK),
    ZooNetwork("resnet101", "torchvision", "resnet101", 44_549_160, _TORCHVISION, _RESNET, _BOTTLENECK),
    ZooNetwork("resnet152", "torchvision", "resnet152", 60_192_808, _TORCHVISION, _RESNET, _BOTTLENECK),
    ZooNetwork(
        "darts",
        "zoo",
        "darts",
        4_700_000,
        "Liu et al. 2019, Table 3",
        "Liu et al. 2019, arXiv:1806.09055",
        _BOTTLENECK,
        note="14 cells of the second-order search at 48 channels. The study's 'Optimized DARTS' is this "
        "network on the backend torch-mkldnn (oneDNN forced); torch-slow-dilated runs it as the study's "
        "PyTorch did, with dilated convolutions outside oneDNN.",
    ),
    ZooNetwork(
        "resnext50_32x4d", "torchvision", "resnext50_32x4d", 25_028_904, _TORCHVISION, _RESNEXT, _GROUPED
    ),
    ZooNetwork(
        "resnext101_32x8d",
        "torchvision",
        "resnext101_32x8d",
        88_791_336,
        _TORCHVISION,
        _RESNEXT,
        _GROUPED,
        note="The study does not say which ResNeXt-101 it timed; this is torchvision's first.",
    ),
    ZooNetwork(
        "mobilenet_v2",
        "torchvision",
        "mobilenet_v2",
        3_504_872,
        _TORCHVISION,
        "Sandler et al. 2018, arXiv:1801.04381",
        _DEPTHWISE_BOTTLENECK,
    ),
    ZooNetwork(
        "inception_v3",
        "torchvision",
        "inception_v3",
        27_161_264,
        _TORCHVISION,
        "Szegedy et al. 2016, arXiv:1512.00567",
        _FACTORIZED,
        image=299,
        note="3.33 M of the parameters belong to the auxiliary head, which inference leaves out.",
    ),
    ZooNetwork(
        "nasnet_a_large",
        "timm",
        "nasnetalarge",
        88_750_000,
        "timm's table of results",
        "Zoph et al. 2018, arXiv:1707.07012",
        _SEARCHED,
        image=331,
        note="The paper's 88.9 M (Table 2) include the running statistics of batch normalisation.",
    ),
    ZooNetwork(
        "shufflenet_v1",
        "zoo",
        "shufflenet_v1",
        1_865_728,
        "imgclsmob's table of models",
        "Zhang et al. 2018, arXiv:1707.01083",
        note="1x with 3 groups.",
    ),
    ZooNetwork(
        "shufflenet_v2",
        "torchvision",
        "shufflenet_v2_x1_0",
        2_278_604,
        _TORCHVISION,
        "Ma et al. 2018, arXiv:1807.11164",
        note="1x.",
    ),
    ZooNetwork(
        "squeezenet1_1",
        "torchvision",
        "squeezenet1_1",
        1_235_496,
        _TORCHVISION,
        "Iandola et al. 2016, arXiv:1602.07360",
    ),
    ZooNetwork(
        "xception",
        "timm",
        "legacy_xception",
        22_855_952,
        "Chollet 2017, Table 3",
        "Chollet 2017, arXiv:1610.02357",
        image=299,
    ),
    ZooNetwork(
        "se_resnet50",
        "timm",
        "seresnet50",
        28_090_000,
        "timm's table of results",
        "Hu et al. 2018, arXiv:1709.01507",
    ),
)

#: The catalogue by name: the study's networks first, in its order, then the others.
NETWORKS: Mapping[str, ZooNetwork] = MappingProxyType({row.name: row for row in _ROWS})


def find_network(name: str) -> ZooNetwork:
    """The network called `name`.

    Raises:
        UnknownName: The catalogue has no such network; close matches are listed.
    """
    try:
        return NETWORKS[name]
    except KeyError:
        raise UnknownName("network of the zoo", name, NETWORKS) from None
