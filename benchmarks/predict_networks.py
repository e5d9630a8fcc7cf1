"""The networks on which the predictor is judged, chosen before any was measured."""

from __future__ import annotations

import itertools
import random

from hwnas.core.workload import Workload
from hwnas.workloads.models import parse_model
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_workload

_SPACES = ("patterns", "mbconv", "darts", "nasbench201")

_TORCHVISION = """
alexnet vgg11 vgg13_bn vgg16 resnet18 resnet34 resnet50 resnet101 resnext50_32x4d wide_resnet50_2
densenet121 densenet169 squeezenet1_0 squeezenet1_1 googlenet inception_v3 mobilenet_v2
mobilenet_v3_small mobilenet_v3_large mnasnet0_5 mnasnet1_0 shufflenet_v2_x0_5 shufflenet_v2_x1_0
efficientnet_b0 efficientnet_b1 efficientnet_v2_s regnet_y_400mf regnet_y_1_6gf regnet_x_800mf
regnet_x_3_2gf convnext_tiny
"""
_TIMM = """
resnet26 resnet50d seresnet50 ecaresnet26t res2net50_26w_4s resnest26d skresnet18 legacy_xception
xception41 hardcorenas_a mixnet_s mixnet_m tinynet_a ghostnet_100 lcnet_100 fbnetc_100 spnasnet_100
semnasnet_100 mobilenetv4_conv_small repvgg_a0 dla34 dla60 hrnet_w18_small cspresnet50 darknet53
vovnet39a ese_vovnet19b_dw dpn68 selecsls42b rexnet_100 nf_regnet_b0 convnextv2_atto edgenext_x_small
starnet_s1 inception_resnet_v2
"""


def networks(count: int) -> list[Workload]:
    """Named networks at their own sizes, and so many random architectures, each space's in turn."""
    names = [f"torchvision:{n}" for n in _TORCHVISION.split()] + [f"timm:{n}" for n in _TIMM.split()]
    named = [parse_model(name) for name in names]
    rng = random.Random(2026)
    spaces = [load_space(name) for name in _SPACES]
    drawn: dict[str, Workload] = {}
    for place in itertools.count():
        if len(drawn) == count:
            return named + list(drawn.values())
        space = spaces[place % len(spaces)]
        workload = space_workload(space, space.sample(rng))
        drawn[workload.key] = workload
