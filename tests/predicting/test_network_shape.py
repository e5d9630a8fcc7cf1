"""What a whole network is like."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_kernels import convolution, pooling, view

from hwnas.predicting.kernel_facts import CONVOLUTION_FORMS, KernelFacts
from hwnas.predicting.network_shape import SHAPE, network_shape


def test_it_tells_where_time_goes_and_how_large_a_network_is() -> None:
    kernels = [KernelFacts.of(k) for k in (convolution(64, 128, 28), pooling(128, 7), view())]
    told = dict(zip(SHAPE, network_shape(kernels, np.array([3e-4, 1e-4, 0.0])), strict=True))
    assert math.exp(told["log_time"]) == pytest.approx(4e-4)
    assert math.exp(told["log_kernels"]) == pytest.approx(2)
    assert math.exp(told["log_time_a_kernel"]) == pytest.approx(2e-4)
    assert told[f"share of {kernels[0].form}"] == pytest.approx(0.75)
    assert told["share of pooling"] == pytest.approx(0.25)
    assert sum(v for name, v in told.items() if name.startswith("share")) == pytest.approx(1)
    assert math.expm1(told["log_weight_bytes"]) == pytest.approx(kernels[0].weight_bytes)
    assert math.expm1(told["log_largest_output"]) == pytest.approx(max(k.output_bytes for k in kernels[:2]))
    assert math.expm1(told["log_macs_a_second"]) == pytest.approx(sum(k.macs for k in kernels) / 4e-4)
    assert kernels[0].form in CONVOLUTION_FORMS
    assert not kernels[1].form


def test_a_network_without_time_has_none() -> None:
    assert network_shape([KernelFacts.of(view())], np.zeros(1)) == ()
