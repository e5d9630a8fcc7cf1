"""The benchmark of predictions passes where its bars are met, and says what it could not judge."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from made_up_kernels import convolution, network, training_set

from hwnas.core.environment import Environment
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.predicting.fitting import LeftOut, fit_predictor
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.known_layers import known_from_only, layer_networks
from hwnas.predicting.training_set import MeasuredNetwork, TrainingSet
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_measurement

HERE = Environment("A processor", "x86_64", 2, 2**34)


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("predict_rows")


def left_out(
    kind: str, name: str, error: float = 0.0, *, covered: bool = True, measured_s: float = 1.0
) -> LeftOut:
    predicted_s = measured_s * (1 + error)
    low_s = measured_s * (0.5 if covered else 1.5)
    return LeftOut(
        Workload(kind, name, (1, 3, 8, 8)), name, measured_s, predicted_s, low_s, 2 * measured_s, None
    )


def good() -> list[LeftOut]:
    """As the bars ask for, and no better."""
    named = [left_out("timm" if n % 2 else "torchvision", f"net{n}", 0.05) for n in range(58)]
    wide = [
        left_out("torchvision", "wide_resnet50_2", measured_s=3.0),
        left_out("torchvision", "resnext50_32x4d"),
    ]
    spaces = [left_out("space", f"space{n}", covered=n > 25) for n in range(200)]
    return [*named, *wide, *spaces]


def test_all_bars_are_met(judging: ModuleType) -> None:
    assert all(judging.bars(good()).values())
    assert not any(judging.bars([]).values())


@pytest.mark.parametrize(
    ("change", "bar"),
    [
        (lambda all_: all_[1:], "at least 60 networks"),
        (lambda all_: all_[:-1], "at least 200 architectures"),
        # 13 of 260 beyond 10 % are the 5 % that may be; the 14th is one too many, and 94.6 % would round up.
        (lambda all_: [replace(o, predicted_s=1.1001) for o in all_[:14]] + all_[14:], "95% within 10 %"),
        (lambda all_: [replace(o, predicted_s=1.5) for o in all_[:10]] + all_[10:], "RMSPE at most 5.5%"),
        (lambda all_: [replace(o, low_s=0.5) for o in all_], "intervals hold 85% to 95%"),
        (
            lambda all_: [replace(o, predicted_s=1.0) if "wide" in o.family else o for o in all_],
            "Wide-ResNet50-2 and ResNeXt50: order",
        ),
        (
            lambda all_: [replace(o, predicted_s=3.4) if "wide" in o.family else o for o in all_],
            "Wide-ResNet50-2 and ResNeXt50: ratio within 10%",
        ),
        (
            lambda all_: [o for o in all_ if "resnext" not in o.family],
            "Wide-ResNet50-2 and ResNeXt50: order",
        ),
    ],
)
def test_each_bar_can_be_missed(judging: ModuleType, change, bar: str) -> None:
    assert judging.bars(change(good()))[bar] is False


def test_rows_are_told_by_where_networks_come_from(judging: ModuleType) -> None:
    found = judging.rows(good())
    assert {name: row["networks"] for name, row in found.items()} == {
        "all": 260,
        "networks": 60,
        "torchvision": 31,
        "timm": 29,
        "space": 200,
    }
    assert found["timm"]["mape"] == 5.0
    assert found["space"]["intervals_hold"] == 87.0


def test_the_worst_are_those_that_are_judged(judging: ModuleType) -> None:
    found = [left_out("timm", f"net{n}", n / 100) for n in range(20)]
    assert len(judging.worst(found)) == 12
    assert judging.worst(found)[0].endswith("+19.0 %")


def test_what_is_missing_is_named_with_its_reason(judging: ModuleType, tmp_path: Path) -> None:
    one = example_measurement("a")
    failed = example_measurement(
        "b",
        workload=Workload("timm", "broken", (1, 3, 8, 8)),
        status=Status.FAILED,
        reason="it broke",
        blocks=(),
    )
    never = Workload("timm", "never", (1, 3, 8, 8))
    with LatencyStore.open(tmp_path / "latency.sqlite") as store:
        for measurement in (one, failed):
            store.add(measurement, HERE)
        judged = replace(network("alpha", 0), workload=one.workload)
        training = TrainingSet(one.backend, HERE.fingerprint, one.threads, (judged,))
        asked = [one.workload, failed.workload, never]
        found = judging.missing(store, HERE.fingerprint, asked, training)
    assert found == {failed.workload.label: "failed: it broke", never.label: "not measured yet"}


def test_chains_are_left_out_with_the_family_whose_layers_they_show() -> None:
    """A chain with a layer of ResNeXt would bring back what was left out."""
    layer = next(k for k, names in layer_networks().items() if names == {"resnext50_32x4d"} and k.groups == 32)
    kernel = KernelFacts.of(
        convolution(layer.channels_in, layer.channels_out, layer.size, layer.window[0], layer.groups)
    )
    kernel = replace(kernel, stride=(layer.stride, layer.stride))
    assert known_from_only([kernel], {"resnext"})
    assert not known_from_only([kernel], {"resnet", "vgg"})
    # Of another size it is nobody's; and what several designs have is not of one.
    other = KernelFacts.of(convolution(layer.channels_in, layer.channels_out, layer.size + 1, 3, layer.groups))
    assert not known_from_only([other], {"resnext"})
    shared = next(k for k, names in layer_networks().items() if {"resnet50", "resnext50_32x4d"} <= names)
    both = KernelFacts.of(convolution(shared.channels_in, shared.channels_out, shared.size, shared.window[0]))
    both = replace(both, stride=(shared.stride, shared.stride))
    assert not known_from_only([both], {"resnext"})


def test_of_every_other_network_it_is_asked_whether_it_goes_with_the_families() -> None:
    training = training_set(2, 4)
    asked: list[tuple[str, frozenset[str]]] = []

    def with_them(one: object, families: object) -> bool:
        asked.append((one.family, frozenset(families)))  # type: ignore[attr-defined, call-overload]
        return True

    # Nothing is left to learn from, and so everything is: as if no family had been left out.
    fit_predictor(training, HERE, trees=2, left_out_with=with_them)
    assert set(asked) == {("alpha", frozenset({"beta"})), ("beta", frozenset({"alpha"}))}


def test_what_is_left_out_with_families_is_not_learned_from() -> None:
    """`gamma` has the very kernels of `alpha`, which are looked up as long as it is learned from."""
    known = training_set(2, 4, noise=0.05)
    alphas = [n for n in known.networks if n.family == "alpha"]
    copies = tuple(
        replace(n, workload=replace(n.workload, name=f"gamma{number}")) for number, n in enumerate(alphas)
    )
    training = replace(known, networks=(*known.networks, *copies))

    def off(**options: object) -> float:
        found = fit_predictor(training, HERE, trees=2, **options).left_out  # type: ignore[arg-type]
        return sum(abs(o.error) for o in found if o.family == "alpha") / len(alphas)

    def with_alpha(network: MeasuredNetwork, families: Collection[str]) -> bool:
        return network.family == "gamma" and "alpha" in families

    assert off(left_out_with=with_alpha) > 2 * off()
