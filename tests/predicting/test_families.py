"""One design is one family, by whatever names its variants go."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path

import pytest

from hwnas.core.workload import Workload
from hwnas.predicting.training_set import family_of

#: Every named network that benchmarks/predict_host.py judges the predictor on, by what is left out together.
FAMILIES = """
alexnet: alexnet
convnext: convnext_tiny convnextv2_atto
cspresnet: cspresnet50
darknet: darknet53
densenet: densenet121 densenet169
dla: dla34 dla60
dpn: dpn68
edgenext: edgenext_x_small
efficientnet: efficientnet_b0 efficientnet_b1 efficientnet_v2_s
fbnet: fbnetc_100
ghostnet: ghostnet_100
hardcorenas: hardcorenas_a
hrnet: hrnet_w18_small
inception: googlenet inception_v3 inception_resnet_v2
lcnet: lcnet_100
mixnet: mixnet_s mixnet_m
mnasnet: mnasnet0_5 mnasnet1_0 semnasnet_100
mobilenet: mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mobilenetv4_conv_small
regnet: regnet_y_400mf regnet_y_1_6gf regnet_x_800mf regnet_x_3_2gf nf_regnet_b0
repvgg: repvgg_a0
res2net: res2net50_26w_4s
resnest: resnest26d
resnet: resnet18 resnet34 resnet50 resnet101 resnet26 resnet50d seresnet50 ecaresnet26t
resnext: resnext50_32x4d
rexnet: rexnet_100
selecsls: selecsls42b
shufflenet: shufflenet_v2_x0_5 shufflenet_v2_x1_0
skresnet: skresnet18
spnasnet: spnasnet_100
squeezenet: squeezenet1_0 squeezenet1_1
starnet: starnet_s1
tinynet: tinynet_a
vgg: vgg11 vgg13_bn vgg16
vovnet: vovnet39a ese_vovnet19b_dw
wide_resnet: wide_resnet50_2
xception: legacy_xception xception41
"""


def family(name: str) -> str:
    return family_of(Workload("timm", name, (1, 3, 224, 224)))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("resnet18", "resnet152", True),
        ("resnet50", "resnext50_32x4d", False),
        ("resnet50", "res2net50_26w_4s", False),
        ("wide_resnet50_2", "resnet50", False),
        ("mobilenet_v2", "mobilenet_v3_small", True),
        ("efficientnet_b0", "efficientnet_b7", True),
        ("mobilenet_v2", "mobilenetv2_100", True),
        ("regnet_y_400mf", "regnety_016", True),
        ("regnety_016", "nf_regnet_b0", True),
        ("convnext_tiny", "convnextv2_atto.fcmae", True),
        ("convnext_tiny", "convnext_xxlarge", True),
        ("swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224", True),
        ("swin_t", "swinv2_base_window8_256", True),
        ("mnasnet1_0", "semnasnet_100", True),
        ("vovnet39a", "ese_vovnet19b_dw", True),
        ("resnet50", "seresnet50", True),
        ("seresnext50_32x4d", "resnext50_32x4d", True),
        ("resnet50", "tf_mixnet_s", False),
        ("cs3darknet_m", "cspdarknet53", True),
        ("tf_efficientnetv2_b0", "efficientnet_lite0", True),
        ("inception_v3", "googlenet", True),
        ("fbnetc_100", "fbnetv3_b", True),
        ("models/resnet18.onnx", "resnet50", True),
        ("models/resnet18.onnx", "models/vgg16.onnx", False),
    ],
)
def test_families_are_told_by_names(one: str, other: str, same: bool) -> None:
    assert (family(one) == family(other)) is same


def test_the_networks_of_the_benchmark_are_left_out_by_design() -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "predict_networks.py"
    spec = importlib.util.spec_from_file_location("predict_networks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, list[str]] = defaultdict(list)
    for workload in module.networks(0):
        found[family_of(workload)].append(workload.name)
    expected = dict(line.split(": ") for line in FAMILIES.strip().splitlines())
    assert {name: sorted(members) for name, members in found.items()} == {
        name: sorted(members.split()) for name, members in expected.items()
    }


def test_what_was_drawn_is_a_family_of_its_own_whatever_its_batch() -> None:
    one = Workload("layers", "chain", (1, 3, 8, 8), {"layers": "c8k3"})
    assert family_of(one) == family_of(Workload("layers", "chain", (4, 3, 8, 8), {"layers": "c8k3"}, seed=1))
    assert family_of(one) != family_of(Workload("layers", "chain", (1, 3, 8, 8), {"layers": "c16k3"}))
