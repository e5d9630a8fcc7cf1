"""Definitions, costs and checks of pattern stacks, against formulas written down here."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Workload
from hwnas.workloads.pattern_catalogue import make_divisible
from hwnas.workloads.patterns import PATTERNS, PatternStack, find_pattern, pattern_workload

STUDY = ("standard", "factorized", "bottleneck", "depthwise_separable", "depthwise_bottleneck", "grouped")

#: MACs of one block and pixel; t is the narrow width of a depthwise bottleneck at w and e = 6.
FORMULAS = {
    "standard": lambda w, k, t: k * k * w * w,
    "factorized": lambda w, k, t: 2 * k * w * w,
    "bottleneck": lambda w, k, t: (2 * 4 + k * k) * w * w,
    "depthwise_separable": lambda w, k, t: k * k * w + w * w,
    "depthwise_bottleneck": lambda w, k, t: 2 * w * t + k * k * w,
    "grouped": lambda w, k, t: k * k * w * w // 8,
}
NARROW = {32: 8, 64: 16, 128: 24, 256: 40, 512: 88}


def stack(pattern: str, **values: int) -> PatternStack:
    return PatternStack.of(pattern_workload(pattern, **{"depth": 2, "width": 32, "resolution": 8, **values}))


def test_the_study_has_six_patterns() -> None:
    assert tuple(PATTERNS) == STUDY
    assert len(PATTERNS) == 6
    assert all(PATTERNS[name].name == name for name in STUDY)
    assert "dense" not in PATTERNS


@pytest.mark.parametrize("pattern", STUDY)
@pytest.mark.parametrize("width", NARROW)
@pytest.mark.parametrize("kernel", [3, 5])
def test_macs_follow_the_formula(pattern: str, width: int, kernel: int) -> None:
    found = stack(pattern, depth=7, width=width, kernel=kernel, resolution=5, batch=3)
    assert found.macs == 3 * 5 * 5 * 7 * FORMULAS[pattern](width, kernel, NARROW[width])


def test_the_other_options_change_the_macs() -> None:
    assert stack("bottleneck", expansion=2).macs == 64 * 2 * (2 * 2 + 9) * 32 * 32
    assert stack("grouped", groups=4).macs == 64 * 2 * 9 * 32 * 32 // 4
    assert stack("depthwise_bottleneck", expansion=2).macs == 64 * 2 * (2 * 32 * 16 + 9 * 32)


@pytest.mark.parametrize("width", NARROW)
def test_what_the_study_says_of_operation_counts_holds(width: int) -> None:
    order = sorted(STUDY, key=lambda name: stack(name, width=width).macs)
    assert order[0] == "depthwise_bottleneck"
    assert "depthwise_separable" in order[:3]
    assert order[-2:] == ["standard", "bottleneck"]


def test_blocks_stack_and_the_input_has_the_block_channels() -> None:
    assert stack("standard", width=48).input_shape == (1, 48, 8, 8)
    assert stack("bottleneck", width=48).input_shape == (1, 192, 8, 8)
    assert stack("depthwise_bottleneck", width=48).input_shape == (1, 8, 8, 8)


@given(st.floats(1, 4096))
def test_make_divisible_keeps_at_least_nine_tenths(value: float) -> None:
    rounded = make_divisible(value)
    assert rounded % 8 == 0
    assert 0.9 * value <= rounded <= max(8, value + 8)


def test_defaults_are_stored_so_equal_stacks_have_equal_keys() -> None:
    implicit = pattern_workload("grouped", depth=10, width=64)
    explicit = pattern_workload(
        "grouped", width=64, depth=10, groups=8, kernel=3, batch=1, resolution=56, seed=0, expansion=None
    )
    assert implicit.key == explicit.key
    assert dict(implicit.params) == {"depth": 10, "groups": 8, "kernel": 3, "width": 64}
    assert implicit.input_shape == (1, 64, 56, 56)
    assert implicit.key != pattern_workload("grouped", depth=10, width=64, groups=4).key


@given(
    pattern=st.sampled_from(STUDY),
    depth=st.integers(1, 1000),
    width=st.integers(1, 64).map(lambda n: 8 * n),
    batch=st.integers(1, 32),
    resolution=st.integers(1, 224),
    kernel=st.integers(0, 5).map(lambda n: 2 * n + 1),
)
def test_a_workload_rebuilds_its_stack(pattern: str, **values: int) -> None:
    workload = pattern_workload(pattern, **values)
    again = PatternStack.of(Workload.from_dict(workload.to_dict()))
    assert {key: getattr(again, key) for key in values} == values
    assert again.pattern is PATTERNS[pattern]
    assert again.input_shape == workload.input_shape


@pytest.mark.parametrize(
    ("pattern", "values", "said"),
    [
        ("standard", {"depth": -1}, "depth -1"),
        ("standard", {"depth": 0}, "depth 0"),
        ("standard", {"depth": 1001}, "depth 1001"),
        ("standard", {"depth": 2.5}, "depth 2.5"),
        ("standard", {"depth": True}, "depth True"),
        ("standard", {"depth": "ten"}, "depth 'ten'"),
        ("standard", {"width": 0}, "width 0"),
        ("standard", {"kernel": 4}, "kernel 4"),
        ("standard", {"kernel": -3}, "kernel -3"),
        ("standard", {"batch": 0}, "batch 0"),
        ("standard", {"resolution": -56}, "resolution -56"),
        ("grouped", {"width": 36}, "groups 8"),
        ("grouped", {"groups": 0}, "groups 0"),
        ("bottleneck", {"expansion": -4}, "expansion -4"),
        ("standard", {"groups": 8}, "'groups' does not apply"),
        ("grouped", {"expansion": 4}, "'expansion' does not apply"),
        ("standard", {"stride": 2}, "'stride' does not apply"),
    ],
)
def test_a_wrong_value_is_named(pattern: str, values: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        pattern_workload(pattern, **{"depth": 10, "width": 64, **values})
    assert caught.value.hint


def test_an_unknown_pattern_lists_close_names() -> None:
    with pytest.raises(UnknownName, match="depthwise_separable"):
        pattern_workload("depthwise_seperable", depth=10, width=64)


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        (
            Workload("pattern", "standard", (1, 64, 56, 56), {"depth": 10, "width": 32, "kernel": 3}),
            "1x32x56x56",
        ),
        (
            Workload("pattern", "standard", (1, 32, 56, 28), {"depth": 10, "width": 32, "kernel": 3}),
            "1x32x28x28",
        ),
        (Workload("pattern", "standard", (1, 32, 8, 8), {"depth": 10, "kernel": 3}), "width"),
        (
            Workload("pattern", "standard", (1, 32, 8, 8), {"depth": 10, "width": 32, "kernel": 3, "x": 1}),
            "'x'",
        ),
        (Workload("timm", "resnet18", (1, 3, 8, 8)), "not a pattern"),
    ],
)
def test_a_contradicting_workload_is_refused(workload: Workload, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        PatternStack.of(workload)


PLUGIN = """
from hwnas.workloads.patterns import Convolution, Pattern

def double(width, kernel, squeeze):
    return (Convolution(width, width // squeeze, (kernel, kernel)), Convolution(width // squeeze, width))

SQUEEZED = Pattern("squeezed", "squeezed", "two layers", "k²w²/s + w²/s", "nobody", double, {"squeeze": 2})
BROKEN = Pattern("broken", "broken", "does not stack", "", "nobody", lambda width, kernel: (Convolution(1, 2),))
def lonely(*convolutions):
    return Pattern("lonely", "lonely", "one layer", "", "nobody", lambda width, kernel: convolutions)

ODD = lonely(Convolution(9, 9, groups=2))
EVEN = lonely(Convolution(8, 8, (3, 2)))
EMPTY = lonely()
TEXT = "not a pattern"
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "pattern_plugin.py").write_text(PLUGIN)
    metadata = tmp_path / "pattern_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pattern-plugin\nVersion: 1.0\n")
    names = {n.lower(): n for n in ("SQUEEZED", "BROKEN", "ODD", "EVEN", "EMPTY", "TEXT", "LOST")}
    lines = [f"{name} = pattern_plugin:{attribute}" for name, attribute in names.items()]
    (metadata / "entry_points.txt").write_text("[hwnas.patterns]\n" + "\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("pattern_plugin", None)
    find_pattern.cache_clear()


def test_an_installed_package_adds_a_pattern(plugin) -> None:
    assert "squeezed" in PATTERNS
    workload = pattern_workload("squeezed", depth=3, width=32, resolution=4)
    assert workload.params["squeeze"] == 2
    assert PatternStack.of(workload).macs == 16 * 3 * (9 * 32 * 16 + 16 * 32)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "do not fit together"),
        ("empty", "do not fit together"),
        ("odd", "from 9 to 9 channels in 2 groups"),
        ("even", "kernel of 3 x 2, which excludes same padding"),
        ("text", "is a str"),
        ("lost", "cannot be loaded"),
    ],
)
def test_an_unusable_pattern_of_a_package_is_named(plugin, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pattern_workload(name, depth=3, width=32)
