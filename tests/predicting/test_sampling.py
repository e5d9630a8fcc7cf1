"""Networks are drawn from what convolutional networks are made of, and every one of them runs."""

from __future__ import annotations

import math
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hwnas
from hwnas.core.errors import UsageError
from hwnas.core.measurement import TRAINING_CAMPAIGN
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.measuring.events import Silent
from hwnas.measuring.settings import Settings
from hwnas.predicting.chains import random_chain
from hwnas.predicting.known_layers import known_layers, layers_of
from hwnas.predicting.measuring_more import measure_more
from hwnas.predicting.rare_steps import Place, with_rare_steps
from hwnas.predicting.sampling import informative, random_workload
from hwnas.store import LatencyStore
from hwnas.workloads.build import load_program
from hwnas.workloads.chain_layers import Attention
from hwnas.workloads.cost import workload_cost
from hwnas.workloads.layer_chain import chain_module, chain_workload
from hwnas.workloads.models import parse_model


@given(st.integers(0, 10**6))
@settings(max_examples=15)
def test_every_draw_runs_on_shapes_and_stays_affordable(seed: int) -> None:
    workload = random_workload(np.random.default_rng(seed))
    cost = workload_cost(workload)
    assert cost.macs is not None
    assert cost.macs < 8e9
    assert Workload.from_dict(workload.to_dict()).key == workload.key


def test_draws_differ_and_repeat() -> None:
    keys = [random_workload(np.random.default_rng(seed)).key for seed in range(50)]
    assert len(set(keys)) > 45
    assert keys == [random_workload(np.random.default_rng(seed)).key for seed in range(50)]


def test_a_chain_is_what_its_text_says() -> None:
    workload = chain_workload("c16k3s2,n,r|c16k3g16,n,h|+|m3s2|p|l10", 3, 32)
    module = chain_module(workload)
    kinds = [type(m).__name__ for m in module.modules() if not list(m.children())]
    expected = ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "Hardswish", "MaxPool2d"]
    assert kinds == [*expected, "AdaptiveAvgPool2d", "Flatten", "Linear"]
    loaded = load_program(workload)
    assert loaded.module is not None
    out = loaded.module(*loaded.inputs)
    assert out.shape == (1, 10)
    assert torch.isfinite(out).all()
    # Neither the same everywhere nor silent.
    assert out.std() > 0


def test_chains_hold_what_modern_networks_are_made_of() -> None:
    workload = chain_workload("c16k1x7,n,r|c16k3g4b,r,x4|&|c32k1,n,e4|+|r|y2|p2|l12,r|l10", 4, 16)
    loaded = load_program(workload)
    assert loaded.module is not None
    assert loaded.module(*loaded.inputs).shape == (1, 10)
    layers = {type(m).__name__ for m in chain_module(workload).modules()}
    assert {"ChannelShuffle", "Concatenated", "SqueezeExcitation", "LayerNorm", "WithResidual"} <= layers
    widths = [m.in_channels for m in chain_module(workload).modules() if isinstance(m, torch.nn.Conv2d)]
    # The concatenation shows in the next step's channels, pooling to 2x2 in the linear layer's.
    assert widths == [4, 16, 32, 32, 4]
    linear = [m.in_features for m in chain_module(workload).modules() if isinstance(m, torch.nn.Linear)]
    assert linear == [32, 64, 128, 12]


def test_few_chains_hold_what_few_networks_are_made_of() -> None:
    """Upsampling, attention, splits, gates, convolutions over channels, and VGG's linear layers."""
    texts = [str(random_chain(np.random.default_rng(seed)).params["layers"]) for seed in range(200)]
    held = {
        name: sum(bool(re.search(pattern, text)) for text in texts) / len(texts)
        for name, pattern in {
            "nearest": r"\|u2",
            "bilinear": r"\|U2",
            "softmax": r"\|q\d",
            "attention": r"\|Q\d",
            "gated linear unit": r",v",
            "split": r"\|w\d",
            "convolution over channels": r"\|i\d",
            "product": r"\|\*",
            "VGG's classifier": r"p7\|l4096,r\|l4096,r\|l1000",
        }.items()
    }
    assert all(0.005 <= share <= 0.12 for share in held.values()), held
    assert 0.005 <= held["VGG's classifier"] <= 0.04
    # Drawing one takes nothing from the generator: most chains are what they were before there were any.
    assert texts[0].startswith("c128k1,n,h|c40k1,n,r|y4|n,r,c240k1|c1323k1,n,6|c1176k3g49b,6")


def test_a_chain_is_varied_by_its_own_text_alone() -> None:
    parts = ["c16k3,n,r", "c16k1,n", "+", "p", "l10"]
    places = [Place(1, 16, 14), Place(3, 16, 14)]
    varied = [with_rare_steps([f"c16k3s{stride},n,r", *parts[1:]], places) for stride in range(1, 60)]
    assert varied == [with_rare_steps([f"c16k3s{stride},n,r", *parts[1:]], places) for stride in range(1, 60)]
    # A join stays behind its step.
    assert all(one[one.index("+") - 1] in ("c16k1,n", "q2", "q4", "q8", "Q2", "Q4", "Q8") for one in varied)
    assert 10 <= sum(len(one) > len(parts) for one in varied) <= 35


def test_rare_layers_run_and_say_what_they_are() -> None:
    text = "c16k3,n,r|u2|U2|q4|+|Q4|+|c32k1,n,v|w4|i3|c16k1,t|*|p|l10"
    loaded = load_program(chain_workload(text, 3, 4))
    assert loaded.module is not None
    out = loaded.module(*loaded.inputs)
    assert out.shape == (1, 10)
    assert torch.isfinite(out).all()
    assert out.std() > 0
    module = chain_module(chain_workload(text, 3, 4))
    assert {type(m).__name__ for m in module.modules()} >= {
        *("Upsample", "Attention", "GatedLinearUnit", "SplitSums", "ChannelConvolution", "Gated"),
    }
    # Two ways to compute the same.
    one, other = Attention(16, 4, fused=True), Attention(16, 4, fused=False)
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, 16, 3, 5)
    torch.testing.assert_close(one(x), other(x))


def test_known_layers_are_those_of_the_networks_they_come_from() -> None:
    network = parse_model("torchvision:mobilenet_v3_small")
    layers = layers_of([network])
    assert len(layers) > 30
    assert set(layers) <= set(known_layers())
    # As docs/predict.md says.
    assert len(known_layers()) == 643
    assert any(layer.depthwise and layer.window == (5, 5) for layer in layers)


def test_chains_keep_to_sizes_of_known_layers() -> None:
    sizes = {k.size for k in known_layers()}
    chains = [random_chain(np.random.default_rng(seed)) for seed in range(20)]
    assert all(w.input_shape[2] in sizes for w in chains)
    assert np.median([str(w.params["layers"]).count("|") for w in chains]) > 8


@pytest.mark.parametrize(
    "text", ["", "c8", "c8k3g3", "x", "+", "c8k3|q", "m0s1", "m2s0", "p|l0", "q3", "c9k1,v", "i2", "*"]
)
def test_text_that_is_no_chain_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"layer|joins"):
        chain_workload(text, 8, 8)


def test_the_most_doubtful_are_chosen() -> None:
    class Doubter:
        """Doubts networks by their input's size."""

        def predict(self, workload: Workload) -> SimpleNamespace:
            return SimpleNamespace(low_s=1.0, high_s=math.exp(workload.input_shape[2]))

    chosen = informative([Doubter()], np.random.default_rng(0), 5)  # type: ignore[list-item]
    assert len(chosen) == 5
    sizes = [w.input_shape[2] for w in chosen]
    assert sizes == sorted(sizes, reverse=True)


def test_without_predictors_any_are_chosen_but_those_that_are_known() -> None:
    chosen = informative([], np.random.default_rng(0), 3)
    assert len({w.key for w in chosen}) == 3
    again = informative([], np.random.default_rng(0), 3, known={chosen[0].key})
    assert chosen[0] not in again


def test_no_further_candidate_is_looked_at_when_the_time_is_over() -> None:
    told: list[str] = []
    predictor = SimpleNamespace(predict=lambda workload: SimpleNamespace(low_s=1.0, high_s=2.0))
    rng = np.random.default_rng(0)
    chosen = informative([predictor], rng, 5, until=time.monotonic() - 1, told=told.append)  # type: ignore[list-item]
    assert len(chosen) == len(told) == 1


def test_measuring_more_goes_on_where_it_stopped(measured_chains: Path, tmp_path: Path) -> None:
    """Two rounds of real measurements on OpenVINO, both chosen by a predictor."""
    quick = Settings(passes=1, max_passes=1, budget_s=0.05, min_rounds=2, warmup_s=0.02, warmup_cap_s=0.05)

    def draw(rng: np.random.Generator) -> Workload:
        width = 8 * int(rng.integers(1, 33))
        return chain_workload(f"c{width}k3,n,r|c{width}k3g{width},n,r|c{2 * width}k1,n", 3, 16)

    here, path = probe_environment(), tmp_path / "latency.sqlite"
    shutil.copy(measured_chains, path)
    told: list[str] = []
    with LatencyStore.open(path) as store:
        before = store.count()
        for _ in range(2):
            cells = measure_more(
                store,
                here,
                ["openvino:cpu:fp32"],
                1,
                0.05,
                Silent(),
                settings=quick,
                at_once=1,
                draw=draw,
                told=told.append,
            )
            assert cells == 1
        found = list(store.measurements(with_samples=False))
    assert all(text.startswith("choosing what to measure next: ") for text in told)
    assert sum("candidate 1 of" in text for text in told) == 2
    assert len(found) == before + 2
    assert {s.campaign for s in found} == {TRAINING_CAMPAIGN}
    assert len({s.measurement.workload.key for s in found}) == len(found)
    assert any(k.time_s for k in found[-1].measurement.kernels)


def test_the_predictor_is_part_of_the_library() -> None:
    assert hwnas.LatencyPredictor.__name__ == "LatencyPredictor"
