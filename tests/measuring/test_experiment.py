"""Experiment files: the shipped ones, and what is said of wrong ones."""

import pytest

from hwnas.core.errors import UsageError
from hwnas.core.resources import data_folder
from hwnas.measuring.experiment import adjusted, experiment_of_models, load_experiment
from hwnas.measuring.plan import Plan
from hwnas.workloads.patterns import PATTERNS

GOOD = """
title: test
backends: [torch, openvino:cpu:fp32]
sweeps:
  - patterns: [standard]
    depth: [1, 2]
    width: 8
    batch: [1, 4]
"""


def _load(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return load_experiment(str(path))


@pytest.mark.parametrize("path", sorted(data_folder("experiments").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_experiments_cover_every_pattern_and_say_what_they_cost(path):
    experiment = load_experiment(path.stem)
    assert experiment.title
    assert {w.name for w in experiment.workloads} == set(PATTERNS)
    assert experiment.backends[0] == "torch:cpu:fp32"
    plan = Plan.of(experiment)
    assert plan.remaining == plan.total
    assert all(c.macs and c.parameters for c in plan.costs.values())


def test_the_studys_axes():
    depth, width = load_experiment("depth"), load_experiment("width")
    assert {w.params["depth"] for w in depth.workloads} == {10, 20, 30, 40, 50}
    assert {w.batch for w in depth.workloads} == {1, 8, 32}
    assert len(depth.workloads) == 6 * 5 * 3
    assert {w.params["width"] for w in width.workloads} == {32, 64, 128, 256, 512}
    assert len(width.workloads) == 6 * 5


def test_products_and_short_backend_names(tmp_path):
    experiment = _load(tmp_path, GOOD)
    assert experiment.name == "mine"
    assert len(experiment.workloads) == 4
    assert experiment.backends == ("torch:cpu:fp32", "openvino:cpu:fp32")
    assert experiment.threads == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("patterns: [standard]", "patterns: [standrd]"), ["standrd", "Did you mean standard"]),
        (("depth: [1, 2]", "depth: -3"), ["depth", "-3"]),
        (("width: 8", "width: wide"), ["width", "'wide'"]),
        (("width: 8", "widht: 8"), ["widht", "width"]),
        (("title:", "tilte:"), ["tilte", "title"]),
        (("torch,", "torhc,"), ["torhc", "backend"]),
        (("batch: [1, 4]", "batch: [0]"), ["batch", "0"]),
        (("sweeps:", "sweeps: {"), ["not valid YAML", "line"]),
        (("sweeps:", "settings: {budgets: 1}\nsweeps:"), ["budgets", "budget_s"]),
        (("sweeps:", "threads: 0\nsweeps:"), ["threads", "0"]),
        (("sweeps:", "models: [{model: 'torchvision:resnet19'}]\nsweeps:"), ["resnet19", "resnet18"]),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_and_key(tmp_path, change, words):
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, GOOD.replace(*change))
    text = str(caught.value)
    assert "\n" not in text
    assert "mine.yaml" in text
    for word in words:
        assert word in text


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "title: nothing to do\nbackends: [torch]\n"])
def test_a_file_without_a_plan(tmp_path, text):
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        _load(tmp_path, text)


def test_the_command_line_overrides_the_file(tmp_path):
    experiment = adjusted(
        _load(tmp_path, GOOD), backends=("torch-mkldnn",), threads=2, passes=5, budget_s=0.5, batch=3
    )
    assert experiment.backends == ("torch-mkldnn:cpu:fp32",)
    assert (experiment.threads, experiment.settings.passes, experiment.settings.budget_s) == (2, 5, 0.5)
    assert {w.batch for w in experiment.workloads} == {3}
    assert len(experiment.workloads) == 2


def test_other_settings_are_another_campaign(tmp_path):
    experiment = _load(tmp_path, GOOD)
    assert experiment.spec() == _load(tmp_path, GOOD).spec()
    assert adjusted(experiment, passes=7).spec() != experiment.spec()
    assert adjusted(experiment, threads=2).spec() != experiment.spec()


def test_models_on_the_command_line(tmp_path):
    experiment = experiment_of_models(("torchvision:resnet18",), None, 4)
    assert experiment.workloads[0].input_shape == (4, 3, 224, 224)
    assert experiment.backends[0] == "torch:cpu:fp32"
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    files = experiment_of_models((str(tmp_path / "net.onnx"),), "1x3x8x8", None)
    assert all(b.startswith("openvino") for b in files.backends)
