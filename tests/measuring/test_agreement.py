"""The proof of equal outputs: what passes, what does not, and what proves little."""

import numpy as np
import pytest
import torch

from hwnas.core.errors import AgreementError, UsageError
from hwnas.measuring.agreement import check_effective, prove_agreement
from hwnas.measuring.reference import Reference, compute_reference, load_reference, save_reference
from hwnas.testing.backend_contract import small_input, small_network

EXPECTED = np.linspace(-1, 1, 12).reshape(1, 12)
REFERENCE = Reference((EXPECTED,), 0.5, "test")


def _of_batch(array, images=3):
    return np.concatenate([array] * images).astype(np.float32)


def test_equal_outputs_pass_and_the_error_is_told():
    found = prove_agreement([_of_batch(EXPECTED * (1 + 1e-5))], REFERENCE, 1e-3)
    assert found.passed
    assert found.max_relative_error == pytest.approx(1e-5, rel=0.05)
    assert found.reference == "test"
    assert found.reason == ""


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([_of_batch(EXPECTED * 1.01)], "differ from the reference"),
        ([_of_batch(EXPECTED)[:, :6]], "shape"),
        ([_of_batch(EXPECTED), _of_batch(EXPECTED)], "2 outputs instead of 1"),
        ([_of_batch(EXPECTED * np.nan)], "not finite"),
    ],
)
def test_other_outputs_fail(outputs, words):
    with pytest.raises(AgreementError, match=words):
        prove_agreement(outputs, REFERENCE, 1e-3)


def test_nothing_to_compare_is_no_proof():
    with pytest.raises(AgreementError, match="returns no tensor"):
        prove_agreement([], Reference((), 0.5, "test"), 1e-3)


def test_a_single_number_is_compared_too():
    reference = Reference((np.float64(2.0).reshape(()),), 0.5, "test")
    assert prove_agreement([np.float32(2.0).reshape(())], reference, 1e-3).max_relative_error == 0
    with pytest.raises(AgreementError, match="differ"):
        prove_agreement([np.float32(2.1).reshape(())], reference, 1e-3)


def test_a_reference_that_is_not_finite_proves_nothing():
    broken = Reference((EXPECTED * np.nan,), 0.5, "test")
    with pytest.raises(AgreementError, match="not finite"):
        prove_agreement([_of_batch(EXPECTED)], broken, 1e-3)


def test_outputs_that_ignore_the_input_prove_little_and_that_is_said():
    found = prove_agreement([_of_batch(EXPECTED)], Reference((EXPECTED,), 1e-9, "test"), 1e-3)
    assert "prove little" in found.reason


def test_a_model_file_has_nothing_to_compare_with():
    found = prove_agreement([_of_batch(EXPECTED)], None, 1e-3)
    assert found.max_relative_error is None
    assert found.reason


@pytest.mark.parametrize(
    ("effective", "words"),
    [
        ({"threads": 2, "precision": "f32"}, "threads 2"),
        ({"threads": 1, "precision": "bf16"}, "precision bf16"),
        ({"threads": 1, "streams": 4, "precision": "f32"}, "streams 4"),
    ],
)
def test_settings_that_did_not_take_effect_fail(effective, words):
    with pytest.raises(AgreementError, match=words):
        check_effective("openvino:cpu:fp32", 1, effective)


def test_settings_that_took_effect_pass():
    check_effective("openvino:cpu:fp32", 2, {"threads": 2, "streams": 1, "precision": "f32"})
    check_effective("openvino:gpu:fp16", 4, {"precision": "f16"})


def test_the_reference_is_float64_of_the_first_image(tmp_path):
    network, images = small_network(), small_input(4)
    with torch.inference_mode():
        expected = network(images)[:1].numpy()
    reference = compute_reference(network, (images,))
    assert reference.outputs[0].dtype == np.float64
    assert np.abs(reference.outputs[0] - expected).max() < 1e-5
    assert reference.response > 0.01
    assert "float64" in reference.description
    save_reference(reference, tmp_path / "reference-x.npz")
    again = load_reference(tmp_path / "reference-x.npz")
    np.testing.assert_array_equal(again.outputs[0], reference.outputs[0])
    assert (again.response, again.description) == (reference.response, reference.description)


class _MakesFloats(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.conv2d(x, torch.ones(2, 3, 3, 3, dtype=torch.float32))


class _TellsAMask(torch.nn.Module):
    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return mean, mean > 0.1


class _WantsItsBatch(torch.nn.Module):
    def forward(self, x):
        return x.reshape(2, 3, 24, 24) * 2


class _Fails(torch.nn.Module):
    def forward(self, x):
        raise RuntimeError("no such luck")


def test_networks_that_insist_on_float32_or_on_their_batch_still_get_a_reference():
    assert "float32" in compute_reference(_MakesFloats(), (small_input(2),)).description
    assert "whole batch" in compute_reference(_WantsItsBatch(), (small_input(2),)).description


def test_truth_values_are_compared_as_numbers():
    network, images = _TellsAMask(), small_input(2)
    reference = compute_reference(network, (images,))
    assert [output.dtype for output in reference.outputs] == [np.float64, np.float64]
    found = [output.to(torch.float32).numpy() for output in network(images)]
    assert prove_agreement(found, reference, 1e-3).passed


def test_a_network_that_cannot_run_is_one_line():
    with pytest.raises(UsageError, match="no such luck"):
        compute_reference(_Fails(), (small_input(2),))
