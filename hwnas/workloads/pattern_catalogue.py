"""The six design patterns of the study.

`width` is always the number of channels that the spatial (k x k) convolution works on. The study
does not say what its width counts; with this reading every statement it makes about the patterns'
operation counts holds.
"""

from __future__ import annotations

from hwnas.core.errors import UsageError
from hwnas.workloads.pattern_definition import Convolution, Pattern


def make_divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, or the next one where that lost more than 10 % of `value`.

    Source: the reference implementation of MobileNetV2 (Sandler et al. 2018).
    """
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * value else nearest + divisor


def _standard(width: int, kernel: int) -> tuple[Convolution, ...]:
    return (Convolution(width, width, (kernel, kernel)),)


def _factorized(width: int, kernel: int) -> tuple[Convolution, ...]:
    return (Convolution(width, width, (1, kernel)), Convolution(width, width, (kernel, 1)))


def _bottleneck(width: int, kernel: int, expansion: int) -> tuple[Convolution, ...]:
    wide = expansion * width
    return (Convolution(wide, width), Convolution(width, width, (kernel, kernel)), Convolution(width, wide))


def _depthwise_separable(width: int, kernel: int) -> tuple[Convolution, ...]:
    return (Convolution(width, width, (kernel, kernel), groups=width), Convolution(width, width))


def _depthwise_bottleneck(width: int, kernel: int, expansion: int) -> tuple[Convolution, ...]:
    narrow = make_divisible(width / expansion)
    return (
        Convolution(narrow, width, activation="relu6"),
        Convolution(width, width, (kernel, kernel), groups=width, activation="relu6"),
        Convolution(width, narrow, activation=""),
    )


def _grouped(width: int, kernel: int, groups: int) -> tuple[Convolution, ...]:
    if width % groups:
        raise UsageError(
            f"width {width} is not divisible by groups {groups}", f"Give a width that is a multiple of {groups}"
        )
    return (Convolution(width, width, (kernel, kernel), groups=groups),)


STANDARD = Pattern(
    "standard",
    "standard convolution",
    "k x k convolution, w -> w",
    "k²w²",
    "Simonyan and Zisserman 2014 (VGG), arXiv:1409.1556",
    _standard,
)

FACTORIZED = Pattern(
    "factorized",
    "factorized convolution",
    "1 x k then k x 1 convolution, both w -> w",
    "2kw²",
    "Szegedy et al. 2016 (Inception-v3, asymmetric factorization), arXiv:1512.00567",
    _factorized,
)

BOTTLENECK = Pattern(
    "bottleneck",
    "bottleneck convolution",
    "1 x 1 from ew to w, k x k on w, 1 x 1 from w to ew",
    "(2e + k²)w²",
    "He et al. 2016 (ResNet-50), arXiv:1512.03385",
    _bottleneck,
    {"expansion": 4},
)

DEPTHWISE_SEPARABLE = Pattern(
    "depthwise_separable",
    "depthwise separable convolution",
    "k x k depthwise on w, then 1 x 1 from w to w",
    "k²w + w²",
    "Howard et al. 2017 (MobileNet), arXiv:1704.04861",
    _depthwise_separable,
)

DEPTHWISE_BOTTLENECK = Pattern(
    "depthwise_bottleneck",
    "depthwise bottleneck convolution",
    "1 x 1 from t to w, k x k depthwise on w (both ReLU6), linear 1 x 1 from w to t; t = w/e, "
    "rounded to a multiple of 8",
    "2wt + k²w",
    "Sandler et al. 2018 (MobileNetV2), arXiv:1801.04381",
    _depthwise_bottleneck,
    {"expansion": 6},
)

GROUPED = Pattern(
    "grouped",
    "grouped convolution",
    "k x k convolution in g groups, w -> w",
    "k²w²/g",
    "Krizhevsky et al. 2012 (AlexNet); Xie et al. 2017 (ResNeXt), arXiv:1611.05431",
    _grouped,
    {"groups": 8},
)
