"""Models as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.errors import UnknownName, UsageError
from hwnas.workloads.models import model_name, parse_model, parse_shape


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=5))
def test_shapes_read_as_they_print(sizes: list[int]) -> None:
    assert parse_shape("x".join(map(str, sizes))) == tuple(sizes)


def test_shapes_forgive_white_space_and_capitals() -> None:
    assert parse_shape(" 1X3 x 224x224 ") == (1, 3, 224, 224)


@pytest.mark.parametrize("text", ["", "x", "1x", "1x0x3", "1x-3", "1,3,224", "axb", "1x3.5", "1xx3", "١x3"])
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--input 1x3x224x224"):
        parse_shape(text)


@pytest.mark.parametrize("digits", [19, 5000])
def test_sizes_that_no_runtime_counts_are_refused(digits: int) -> None:
    with pytest.raises(UsageError, match="--input 1x3x224x224"):
        parse_shape("1x" + "9" * digits)
    with pytest.raises(UsageError, match="--input 1x3x224x224"):
        parse_shape("1x" + "0" * digits + "3")
    assert parse_shape("1x" + "9" * 18 + "x003") == (1, 10**18 - 1, 3)


@pytest.mark.parametrize(
    ("text", "kind", "shape"),
    [
        ("torchvision:mobilenet_v2", "torchvision", (1, 3, 224, 224)),
        ("torchvision:inception_v3", "torchvision", (1, 3, 299, 299)),
        ("torchvision:efficientnet_b1", "torchvision", (1, 3, 240, 240)),
        ("timm:resnet18", "timm", (1, 3, 224, 224)),
        ("timm:inception_v3", "timm", (1, 3, 299, 299)),
        ("timm:resnet18.a1_in1k", "timm", (1, 3, 224, 224)),
    ],
)
def test_zoo_networks_know_their_input(text: str, kind: str, shape: tuple[int, ...]) -> None:
    workload = parse_model(text)
    assert (workload.kind, workload.input_shape) == (kind, shape)
    assert model_name(workload) == text


def test_input_and_batch_replace_the_default() -> None:
    assert parse_model("torchvision:resnet18", batch=8).input_shape == (8, 3, 224, 224)
    given_shape = parse_model("torchvision:resnet18", input_shape=(2, 3, 64, 32), seed=7)
    assert (given_shape.input_shape, given_shape.seed) == ((2, 3, 64, 32), 7)
    assert parse_model("torchvision:resnet18", input_shape=(2, 3, 64, 64), batch=4).input_shape == (
        4,
        3,
        64,
        64,
    )
    with pytest.raises(UsageError, match="batch 0"):
        parse_model("torchvision:resnet18", batch=0)


@pytest.mark.parametrize(
    ("text", "close"),
    [
        ("torchvision:resnet81", "resnet18"),
        ("timm:resnet81", "resnet18"),
        ("timm:hf-hub:timm/resnet18", "unknown timm model"),
        ("timm:resnet18.a1_in1", r"resnet18\.a1_in1k"),
        ("timm:resnet18.", "resnet18"),
    ],
)
def test_unknown_networks_list_close_names(text: str, close: str) -> None:
    with pytest.raises(UnknownName, match=close):
        parse_model(text)


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("resnet18", "torchvision:resnet18"),
        ("weights.pth", "FILE.onnx"),
        ("torchvision:", "package.module:factory"),
        ("my package:net", "package.module:factory"),
        ("", "package.module:factory"),
    ],
)
def test_other_texts_say_the_forms(text: str, way_out: str) -> None:
    with pytest.raises(UsageError, match=way_out):
        parse_model(text, input_shape=(1, 3, 8, 8))
