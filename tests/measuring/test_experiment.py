"""Experiment files: the shipped ones, and what is said of wrong ones."""

import numpy as np
import pytest

from hwnas.backends.openvino_runtime import import_openvino
from hwnas.backends.registry import BACKENDS
from hwnas.core.errors import UsageError
from hwnas.core.resources import data_folder
from hwnas.measuring.experiment import adjusted, experiment_of_models
from hwnas.measuring.experiment_file import load_experiment
from hwnas.measuring.plan import Plan
from hwnas.workloads.catalogue import NETWORKS
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


@pytest.mark.usefixtures("counted_once")
@pytest.mark.parametrize("path", sorted(data_folder("experiments").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_experiments_cover_their_catalogue_and_say_what_they_cost(path):
    experiment = load_experiment(path.stem)
    assert experiment.title
    if path.stem == "networks":
        assert experiment.workloads == tuple(n.workload() for n in NETWORKS.values())
    else:
        assert {w.name for w in experiment.workloads} == set(PATTERNS)
    assert experiment.backends[0] == "torch:cpu:fp32"
    plan = Plan.of(experiment)
    assert plan.remaining == plan.total
    assert all(c.macs and c.parameters for c in plan.costs.values())


def test_networks_run_on_every_torch_arm_and_on_openvino():
    """All but the arm whose only difference is the process's heap, and the one that compiles for minutes."""
    experiment = load_experiment("networks")
    torch_arms = {name for name in BACKENDS.names() if name.startswith("torch")}
    openvino = {"openvino:cpu:fp32", "openvino:gpu:fp16"}
    left_out = {"torch-default-heap:cpu:fp32", "torch-compile:cpu:fp32"}
    assert set(experiment.backends) == torch_arms - left_out | openvino
    assert experiment.threads == 1


def test_the_studys_axes():
    depth, width = load_experiment("depth"), load_experiment("width")
    assert {w.params["depth"] for w in depth.workloads} == {10, 20, 30, 40, 50}
    assert {w.batch for w in depth.workloads} == {1, 8, 32}
    assert len(depth.workloads) == 6 * 5 * 3
    assert {w.params["width"] for w in width.workloads} == {32, 64, 128, 256, 512}
    assert len(width.workloads) == 6 * 5


@pytest.mark.parametrize(
    ("name", "axis", "values"),
    [("cache_depth", "depth", {10, 20, 30, 40, 50}), ("cache_width", "width", {32, 64, 128, 256, 512})],
)
def test_the_studys_cache_misses(name, axis, values):
    experiment = load_experiment(name)
    assert {w.params[axis] for w in experiment.workloads} == values
    assert len(experiment.workloads) == len(PATTERNS) * len(values)
    assert experiment.cache_misses.caches == ("host", "paper")
    sample = experiment.cache_misses.callgrind_sample
    assert len(sample) >= 3
    assert {w.key for w in sample} <= {w.key for w in experiment.workloads}


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
        (("width: 8", "width: wide"), ["sweeps.0.width:", "an integer or a list of integers", "'wide'"]),
        (("width: 8", "width: [8, 2.5]"), ["sweeps.0.width:", "an integer or a list of integers", "2.5"]),
        (("width: 8", "width: true"), ["sweeps.0.width:", "an integer or a list of integers"]),
        (("width: 8", "width: []"), ["sweeps.0.width:", "an integer or a list of integers"]),
        (("patterns: [standard]", "patterns: []"), ["sweeps.0.patterns"]),
        (("title: test", "title: 2024-99-99"), ["date", "quotes"]),
        (("title: test", "title: 2024-01-01"), ["title", "string"]),
        (("width: 8", "widht: 8"), ["widht", "width"]),
        (("title:", "tilte:"), ["tilte", "title"]),
        (("torch,", "torhc,"), ["torhc", "backend"]),
        (("batch: [1, 4]", "batch: [0]"), ["batch", "0"]),
        (("sweeps:", "sweeps: {"), ["not valid YAML", "line"]),
        (("sweeps:", "settings: {budgets: 1}\nsweeps:"), ["budgets", "budget_s"]),
        (("sweeps:", "settings: {1: 1}\nsweeps:"), ["key settings.1:"]),
        (("sweeps:", "settings: {passes: 2.5}\nsweeps:"), ["passes", "2.5", "integer"]),
        (("sweeps:", "settings: {passes: true}\nsweeps:"), ["passes", "integer"]),
        (("sweeps:", "settings: {min_rounds: 1.0}\nsweeps:"), ["min_rounds", "integer"]),
        (("sweeps:", "settings: {seed: x}\nsweeps:"), ["seed", "'x'", "integer"]),
        (("sweeps:", "settings: {budget_s: [1]}\nsweeps:"), ["budget_s", "[1]", "number"]),
        (("sweeps:", "settings: {budget_s: .inf}\nsweeps:"), ["budget_s", "inf"]),
        (("sweeps:", "settings: {warmup_s: .nan}\nsweeps:"), ["warmup_s", "nan"]),
        (("sweeps:", "settings: {memory_fraction: 1.1}\nsweeps:"), ["memory_fraction", "1.1", "at most 1"]),
        (("sweeps:", "threads: 0\nsweeps:"), ["threads", "0"]),
        (("sweeps:", "settings: {min_rounds: 1}\nsweeps:"), ["min_rounds", "2 or more"]),
        (("sweeps:", "settings: {passes: 12}\nsweeps:"), ["max_passes is 10", "passes", "12"]),
        (("sweeps:", "settings: {warmup_s: 5}\nsweeps:"), ["warmup_cap_s is 2.0", "warmup_s, which is 5"]),
        (("sweeps:", "cache_misses: {caches: ['4X,16,64']}\nsweeps:"), ["cache_misses.caches", "4X"]),
        (("torch,", "broken,"), ["broken:cpu:fp32", "no_such_module_of_acme"]),
        (("sweeps:", "models: [{model: 'torchvision:resnet19'}]\nsweeps:"), ["resnet19", "resnet18"]),
        (("sweeps:", "models: [{model: 'zoo:resnet18', input: ''}]\nsweeps:"), ["line 4", "shape ''"]),
        (("title: test", "seed: -1"), ["seed"]),
        (("title: test", "seed: 9223372036854775808"), ["seed"]),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_and_key(tmp_path, monkeypatch, change, words):
    monkeypatch.setattr(BACKENDS, "_plugins", {"broken:cpu:fp32": "no_such_module_of_acme:Backend"})
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, GOOD.replace(*change))
    text = str(caught.value)
    assert "\n" not in text
    assert "mine.yaml" in text
    for word in words:
        assert word in text
    for tag in ("list[", ".int", "[key]"):
        assert tag not in text


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("patterns: [standard]", "patterns: [standrd]"), 5),
        (("depth: [1, 2]", "depth: -3"), 5),
        (("width: 8", "width: wide"), 7),
        (("width: 8", "width: 8\n    width: 9"), 8),
        (("torch,", "torhc,"), 3),
        (("sweeps:", "settings: {budgets: 1}\nsweeps:"), 4),
        (("sweeps:", "cache_misses: {source: guess}\nsweeps:"), 4),
        (("sweeps:", "models:\n  - model: torchvision:resnet18\n  - model: x:y\nsweeps:"), 6),
        (("width: 8", "width: 8\n    groups: two"), 8),
        (("backends: [torch, openvino:cpu:fp32]\n", ""), 2),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path, change, line):
    assert change[0] in GOOD
    with pytest.raises(UsageError, match=rf"mine\.yaml, line {line}: "):
        _load(tmp_path, GOOD.replace(*change))


def test_keys_that_are_unknown_list_those_of_their_mapping(tmp_path):
    nested = "cache_misses: {callgrind_sample: [{patterns: [standard], dept: 1, width: 8}]}\nsweeps:"
    for text, known in (("models: [{modl: x}]\nsweeps:", "model"), (nested, "depth")):
        with pytest.raises(UsageError, match=rf"unknown key .*Did you mean {known}"):
            _load(tmp_path, GOOD.replace("sweeps:", text))


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "title: nothing to do\nbackends: [torch]\n"])
def test_a_file_without_a_plan(tmp_path, text):
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        _load(tmp_path, text)


def test_more_threads_than_cpus_are_refused_unless_overridden(tmp_path, monkeypatch):
    monkeypatch.setattr("hwnas.measuring.experiment.usable_threads", lambda: 2)
    experiment = _load(tmp_path, GOOD.replace("sweeps:", "threads: 3\nsweeps:"))
    assert adjusted(experiment, threads=2).threads == 2
    with pytest.raises(UsageError, match="threads is 3, but this process may use 2 CPUs"):
        adjusted(experiment)


def test_two_names_of_one_network_are_one():
    found = experiment_of_models(("zoo:resnet18", "torchvision:resnet18"), None, None)
    assert [w.name for w in found.workloads] == ["resnet18"]
    assert found.name == "resnet18"


@pytest.mark.parametrize("name", ["fit", "search"])
def test_a_file_may_not_have_the_name_of_a_campaign_that_reports_leave_out(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    path.write_text(GOOD)
    with pytest.raises(UsageError, match=r"stay out of reports.*Rename the file"):
        load_experiment(str(path))


def test_the_command_line_overrides_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("hwnas.measuring.experiment.usable_threads", lambda: 2)
    experiment = adjusted(
        _load(tmp_path, GOOD), backends=("torch-mkldnn",), threads=2, passes=5, budget_s=0.5, batch=3
    )
    assert experiment.backends == ("torch-mkldnn:cpu:fp32",)
    assert (experiment.threads, experiment.settings.budget_s) == (2, 0.5)
    assert (experiment.settings.passes, experiment.settings.max_passes) == (5, 5)
    assert {w.batch for w in experiment.workloads} == {3}
    assert len(experiment.workloads) == 2


def test_other_settings_are_another_campaign(tmp_path, monkeypatch):
    monkeypatch.setattr("hwnas.measuring.experiment.usable_threads", lambda: 2)
    experiment = _load(tmp_path, GOOD)
    assert experiment.spec() == _load(tmp_path, GOOD).spec()
    assert adjusted(experiment, passes=7).spec() != experiment.spec()
    assert adjusted(experiment, threads=2).spec() != experiment.spec()


def test_models_on_the_command_line(tmp_path):
    experiment = experiment_of_models(("torchvision:resnet18",), None, 4)
    assert experiment.workloads[0].input_shape == (4, 3, 224, 224)
    assert experiment.backends[0] == "torch:cpu:fp32"
    files = experiment_of_models((_network(tmp_path, [1, 3, 8, 8]),), "1x3x8x8", None)
    assert all(b.startswith("openvino") for b in files.backends)
    with pytest.raises(UsageError, match="cannot read the input shape ''"):
        experiment_of_models(("torchvision:resnet18",), "", None)


def _network(folder, shape, kind="f32", batch=None):
    """A file with one ReLU, or, with `batch`, one that takes no other batch."""
    ov = import_openvino()
    given = ov.opset13.parameter(shape, ov.Type.f32 if kind == "f32" else ov.Type.u8)
    last = ov.opset13.relu(ov.opset13.convert(given, "f32"))
    if batch:
        last = ov.opset13.add(last, np.ones((batch, 3, 8, 8), np.float32), auto_broadcast="none")
    ov.save_model(ov.Model([last], [given], "net"), folder / "net.xml", compress_to_fp16=False)
    return str(folder / "net.xml")


@pytest.mark.parametrize(
    ("stated", "input_text", "batch", "shape"),
    [
        ([1, 3, 8, 8], None, None, (1, 3, 8, 8)),
        ([1, 3, 8, 8], None, 4, (4, 3, 8, 8)),
        ([1, 3, 8, 8], "2x3x16x16", 4, (4, 3, 16, 16)),
        ([-1, 3, 8, 8], None, 4, (4, 3, 8, 8)),
        ([-1, 3, -1, -1], "2x3x8x8", None, (2, 3, 8, 8)),
    ],
)
def test_the_shape_of_a_model_file(stated, input_text, batch, shape, tmp_path):
    (workload,) = experiment_of_models((_network(tmp_path, stated),), input_text, batch).workloads
    assert workload.input_shape == shape


def test_a_model_file_that_does_not_take_the_batch_or_float32_is_one_line(tmp_path):
    path = _network(tmp_path, [1, 3, 8, 8], batch=1)
    with pytest.raises(UsageError, match=r"net\.xml takes .*, not 4x3x8x8.*--batch"):
        experiment_of_models((path,), None, 4)
    with pytest.raises(UsageError, match=r"the batch 10+ is too large for .*net\.xml.*--batch"):
        experiment_of_models((path,), None, 10**21)
    with pytest.raises(UsageError, match="--batch"):
        adjusted(experiment_of_models((path,), None, None), batch=4)
    with pytest.raises(UsageError, match="not static"):
        experiment_of_models((_network(tmp_path, [-1, 3, 8, 8]),), None, None)
    with pytest.raises(UsageError, match=r"net\.xml takes u8 values.*float32"):
        experiment_of_models((_network(tmp_path, [1, 3, 8, 8], kind="u8"),), None, None)


def test_a_sample_that_is_in_no_sweep_is_refused(tmp_path):
    sample = "cache_misses:\n  callgrind_sample:\n    - {patterns: [standard], depth: 1, width: 9}\n"
    with pytest.raises(UsageError, match=r"mine.yaml.*callgrind_sample.*w9.*no sweep"):
        _load(tmp_path, GOOD + sample)
    good = _load(tmp_path, GOOD + sample.replace("width: 9", "width: 8"))
    assert [w.label for w in good.cache_misses.callgrind_sample] == ["standard d1 w8 56x56 b1"]
