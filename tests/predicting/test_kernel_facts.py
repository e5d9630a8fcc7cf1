"""What is read from the kernels of both runtimes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_kernels import convolution, pooling

from hwnas.core.kernel import Kernel
from hwnas.predicting.features import FEATURES, feature_matrix, feature_names, range_slack
from hwnas.predicting.kernel_facts import KernelFacts


def torch_convolution(implementation: str, **attributes: object) -> Kernel:
    given = {"stride": [2, 2], "padding": [3, 3], "dilation": [1, 1], "groups": 1, **attributes}
    shapes = {"input_shapes": [[1, 3, 224, 224], [64, 3, 7, 7]]}
    return Kernel(0, "aten::conv2d", "conv2d", implementation, "f32", attributes={**shapes, **given})


def test_macs_and_bytes_of_a_convolution() -> None:
    facts = KernelFacts.of(convolution(16, 32, 14))
    assert facts.macs == 32 * 14 * 14 * 16 * 9
    assert facts.weight_bytes == 4 * 32 * 16 * 9
    assert facts.output_bytes == 4 * 32 * 14 * 14
    # The bias is an input as well.
    assert facts.input_bytes == 4 * (16 * 14 * 14 + 32)
    assert facts.window == (3, 3)


def test_groups_divide_the_work() -> None:
    grouped = KernelFacts.of(convolution(32, 32, 14, groups=32))
    assert grouped.macs == 32 * 14 * 14 * 9
    assert grouped.depthwise
    assert "depthwise" in grouped.category


def test_the_output_of_a_torch_convolution_follows_from_its_arguments() -> None:
    facts = KernelFacts.of(torch_convolution("onednn:jit:avx512_core"))
    assert facts.output == (1, 64, 112, 112)
    assert facts.macs == 64 * 112 * 112 * 3 * 49


@pytest.mark.parametrize(
    ("implementation", "route"),
    [
        ("onednn:jit:avx512_core", "onednn"),
        ("aten::mkldnn_convolution", "onednn"),
        ("aten::_slow_conv2d_forward", "native"),
        ("onednn:", "onednn"),
        ("aten::native", "native"),
    ],
)
def test_a_listed_convolution_takes_the_route_of_one_that_ran(implementation: str, route: str) -> None:
    assert KernelFacts.of(torch_convolution(implementation)).route == route


def test_equal_work_has_equal_keys_whatever_its_name_and_place() -> None:
    one = convolution(16, 32, 14)
    other = Kernel.from_dict({**one.to_dict(), "name": "another", "position": 9, "time_s": 1.0})
    assert KernelFacts.of(one).key == KernelFacts.of(other).key
    assert KernelFacts.of(one).key != KernelFacts.of(convolution(16, 32, 28)).key


def _facts(type_: str, shapes: list[list[int]], **attributes: object) -> KernelFacts:
    return KernelFacts.of(Kernel(0, "x", type_, "", "f32", attributes={"input_shapes": shapes, **attributes}))


def test_a_sequence_is_an_image_of_height_1() -> None:
    facts = _facts("conv1d", [[1, 8, 50], [16, 4, 5]], stride=[2], padding=[1], dilation=[1], groups=2)
    assert (facts.output, facts.window, facts.stride, facts.padding) == ((1, 16, 24), (1, 5), (1, 2), (0, 1))
    assert facts.macs == 16 * 24 * 4 * 5
    # OpenVINO gives groups a dimension of their own, and all convolutions one name.
    openvino = _facts(
        "Convolution", [[1, 8, 50], [2, 8, 4, 5]], output_shapes=[[1, 16, 24]], stride=[2], groups=2
    )
    assert (openvino.type, openvino.window, openvino.macs) == ("Convolution1d", (1, 5), facts.macs)


def test_a_volume_has_three_dimensions() -> None:
    numbers = {"stride": [1, 2, 2], "padding": [0, 1, 1], "dilation": [1, 1, 1], "groups": 1}
    facts = _facts("conv3d", [[1, 3, 8, 16, 16], [4, 3, 3, 3, 3]], **numbers)
    assert (facts.output, facts.window, facts.stride) == ((1, 4, 6, 8, 8), (3, 3, 3), (1, 2, 2))
    assert facts.macs == 4 * 6 * 8 * 8 * 3 * 27
    assert _facts("Convolution", [[1, 3, 8, 16, 16], [4, 3, 3, 3, 3]]).type == "Convolution3d"
    assert "pointwise" in _facts("conv3d", [[1, 3, 8, 16, 16], [4, 3, 1, 1, 1]]).category


def test_a_transposed_convolution_spreads_its_input() -> None:
    numbers = {"stride": [2, 2], "padding": [1, 1], "output_padding": [1, 1], "groups": 4, "dilation": [1, 1]}
    facts = _facts("conv_transpose2d", [[1, 16, 10, 10], [16, 2, 3, 3]], **numbers)
    assert facts.output == (1, 8, 20, 20)
    assert facts.macs == 16 * 10 * 10 * 2 * 9
    grouped = _facts("Deconvolution", [[1, 16, 10, 10], [4, 4, 2, 3, 3]], output_shapes=[[1, 8, 20, 20]])
    assert (grouped.type, grouped.macs) == ("Deconvolution", facts.macs)


def test_same_padding_and_images_without_a_batch() -> None:
    facts = _facts("conv2d", [[3, 9, 9], [4, 3, 3, 3]], stride=[1, 1], padding="same", dilation=[1, 1])
    assert facts.output == (1, 4, 9, 9)
    assert facts.batch == 1


def test_in_place_variants_are_the_same_operator() -> None:
    shapes = {"input_shapes": [[1, 8, 4, 4]]}
    plain, in_place = (
        Kernel(0, f"aten::{n}", n, "aten::clamp_min", "f32", attributes=shapes) for n in ("relu", "relu_")
    )
    assert KernelFacts.of(plain).category == KernelFacts.of(in_place).category


def test_a_kernel_that_tells_nothing_has_neutral_facts() -> None:
    facts = KernelFacts.of(Kernel(0, "x", "Something", "", ""))
    assert (facts.macs, facts.bytes, facts.output) == (0, 0, ())
    assert feature_matrix([facts]).shape == (1, len(FEATURES))


def test_misses_are_features_only_where_they_are_asked_for() -> None:
    kernel = pooling(8, 7)
    told = Kernel.from_dict(
        {**kernel.to_dict(), "attributes": {**kernel.attributes, "llc_misses": {"4M": 10.0}}}
    )
    both = feature_matrix([KernelFacts.of(told), KernelFacts.of(kernel)], ["4M"])
    assert both.shape == (2, len(feature_names(["4M"])))
    assert both[0, -1] == pytest.approx(2.398, abs=1e-3)
    assert both[1, -1] == -1.0
    assert range_slack(both.shape[1]).shape == (both.shape[1],)


@pytest.mark.parametrize(
    ("type_", "shapes", "output", "macs"),
    [
        ("linear", [[2, 64], [10, 64], [10]], (2, 10), 2 * 10 * 64),
        ("matmul", [[1, 4, 49, 32], [1, 4, 32, 7]], (1, 4, 49, 7), 4 * 49 * 7 * 32),
        ("bmm", [[4, 49, 32], [4, 32, 7]], (4, 49, 7), 4 * 49 * 7 * 32),
        ("addmm", [[10], [2, 64], [64, 10]], (2, 10), 2 * 10 * 64),
    ],
)
def test_matrix_products_of_pytorch(
    type_: str, shapes: list[list[int]], output: tuple[int, ...], macs: int
) -> None:
    facts = KernelFacts.of(Kernel(0, "x", type_, "aten::x", "f32", attributes={"input_shapes": shapes}))
    assert (facts.output, facts.macs) == (output, macs)


def torch_kernel(type_: str, shapes: list[list[int]], **attributes: object) -> KernelFacts:
    given = {"input_shapes": shapes, **attributes}
    return KernelFacts.of(Kernel(0, f"aten::{type_}", type_, f"aten::{type_}", "f32", attributes=given))


def test_poolings_of_openvino_differ_by_what_runs_in_them() -> None:
    kinds = [
        KernelFacts.of(replace(pooling(8, 7), type="Pooling", fused=(f"net/aten.pool/{name}",)))
        for name in ("MaxPool", "AvgPool_12", "Other")
    ]
    assert [k.type for k in kinds] == ["MaxPool", "AvgPool", "Pooling"]
    assert {k.kind for k in kinds} == {"pooling"}
    assert len({k.key for k in kinds}) == 3


def test_poolings_of_pytorch_differ_by_their_windows() -> None:
    image = [[1, 8, 28, 28]]
    three = torch_kernel("max_pool2d", image, kernel=[3, 3], stride=[2, 2], padding=[1, 1], dilation=[1, 1])
    two = torch_kernel("max_pool2d", image, kernel=[2, 2], stride=[2, 2], padding=[0, 0], dilation=[1, 1])
    assert three.output == two.output == (1, 8, 14, 14)
    assert three.key != two.key
    work = feature_matrix([three, two])[:, FEATURES.index("window_work")]
    assert work[0] > work[1]
    assert torch_kernel("adaptive_avg_pool2d", image, output_size=[1, 1]).output == (1, 8, 1, 1)


def test_a_join_writes_what_it_reads() -> None:
    facts = torch_kernel("cat", [[1, 8, 14, 14], [1, 24, 14, 14]])
    assert facts.output == (1, 32, 14, 14)
    assert facts.input_bytes == facts.output_bytes


def test_fused_functions_are_told_apart() -> None:
    def fused(name: str) -> KernelFacts:
        return KernelFacts.of(
            Kernel.from_dict({**convolution(16, 32, 14).to_dict(), "fused": ["Multiply_7", name]})
        )

    swish, relu = fused("silu_4/aten.silu.default/Swish"), fused("relu/aten.relu.default/Relu_1")
    assert (swish.activations, relu.activations) == (("Swish",), ("Relu",))
    assert swish.key != relu.key
    columns = [FEATURES.index(f"{kind}_functions") for kind in ("cheap", "exponential")]
    assert feature_matrix([swish, relu])[:, columns].tolist() == [[0, 1], [1, 0]]
