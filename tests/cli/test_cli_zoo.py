"""`hwnas zoo`, and names of the zoo on the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from command_line import Run, runner

from hwnas.cli import zoo as command
from hwnas.cli.options import filters
from hwnas.core.errors import UnknownName
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement
from hwnas.workloads.catalogue import NETWORKS

#: Few and small, so that listing them takes no time.
FEW = ("darts", "squeezenet1_1", "shufflenet_v1", "se_resnet50")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `hwnas ...` as a shell would: exit code, output, errors."""
    monkeypatch.setenv("COLUMNS", "80")
    return runner(monkeypatch, capsys)


def test_all_networks_in_80_columns(run: Run) -> None:
    code, out, err = run("zoo")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines()[1 : 1 + len(NETWORKS)]}
    assert list(rows) == list(NETWORKS)
    assert max(map(len, out.splitlines())) <= 80
    assert rows["darts"].split() == [
        "darts",
        "hwnas",
        "224x224",
        "4.72",
        "M",
        "4.7",
        "M",
        "530",
        "M",
        "Liu",
        "2019",
    ]
    assert rows["nasnet_a_large"].split()[1:5] == ["timm", "331x331", "88.8", "M"]
    assert "torch-mkldnn" in out
    assert "timm:legacy_xception" in out
    assert "another" not in out
    assert "…" not in out


def test_json_has_exact_numbers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "NETWORKS", {name: NETWORKS[name] for name in FEW})
    code, out, _ = run("zoo", "--json")
    assert code == 0
    records = {record["name"]: record for record in json.loads(out)}
    assert tuple(records) == FEW
    assert records["darts"]["parameters"] == 4_718_752
    assert records["darts"]["published_parameters"] == 4_700_000
    assert records["darts"]["published_in"] == "Liu et al. 2019, Table 3"
    assert records["squeezenet1_1"]["input_shape"] == [1, 3, 224, 224]
    for name, record in records.items():
        assert record["agree"] is True
        assert record["key"] == NETWORKS[name].workload().key
        assert record["macs"] > 1e8
        assert record["uncounted"] == {}


def test_a_network_that_is_not_the_published_one_is_marked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(NETWORKS["shufflenet_v1"], parameters=2_000_000)
    monkeypatch.setattr(command, "NETWORKS", {"shufflenet_v1": other})
    assert "2 M (another)" in run("zoo")[1]
    assert json.loads(run("zoo", "--json")[1])[0]["agree"] is False


def test_a_plan_of_zoo_networks(run: Run) -> None:
    code, out, err = run("measure", "--model", "zoo:darts", "--model", "zoo:resnet18", "--dry-run")
    assert code == 0, err
    assert "2 workloads" in out
    assert "4.72 M" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["measure", "--model", "zoo:dartz"], ["dartz", "darts"]),
        (["measure", "--model", "darts"], ["Write zoo:darts"]),
        (["measure", "--model", "zoo:darts", "--input", "1x3x75x75"], ["zoo:darts", "1x3x75x75", "--input"]),
        (["zoo", "resnet18"], ["unexpected"]),
    ],
)
def test_mistakes_are_one_line(run: Run, arguments: list[str], words: list[str]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "Traceback" not in err
    assert all(word in err for word in words)


def test_a_filter_finds_what_was_measured_under_the_librarys_name(tmp_path) -> None:
    with LatencyStore.open(tmp_path / "latency.sqlite") as store:
        for uid, name in (("u0", "shufflenet_v2"), ("u1", "darts")):
            store.add(example_measurement(uid, workload=NETWORKS[name].workload()), example_environment())
        assert filters(store, model="zoo:shufflenet_v2") == {
            "kind": "torchvision",
            "name": "shufflenet_v2_x1_0",
        }
        assert filters(store, model="zoo:darts") == {"kind": "zoo", "name": "darts"}
        assert store.count(**filters(store, model="zoo:darts")) == 1
        with pytest.raises(UnknownName, match="darts"):
            filters(store, model="zoo:dart")
