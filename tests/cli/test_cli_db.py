import csv
import io
import json
import random
from pathlib import Path

import pytest
from command_line import Run, runner

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.store import LatencyStore
from hwnas.testing.examples import example_environment, example_measurement, example_workload
from hwnas.workloads.spaces.space_file import load_space
from hwnas.workloads.spaces.workload import space_model, space_workload


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `hwnas db ...` as a shell would: exit code, output, errors."""
    return runner(monkeypatch, capsys, "db")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that $HWNAS_DB names: two environments, two patterns, a model, a failure."""
    path = tmp_path / "latency.sqlite"
    monkeypatch.setenv("HWNAS_DB", str(path))
    here, there = example_environment(), example_environment("Other CPU")
    grouped = Workload("pattern", "grouped", (8, 64, 56, 56), {"depth": 20, "width": 32})
    model = Workload("torchvision", "resnet18", (1, 3, 224, 224))
    with LatencyStore.open(path) as store:
        uid = store.campaign("depth", {}, here).uid
        store.add(example_measurement("u0"), here, campaign_uid=uid, macs=10**9)
        store.add(
            example_measurement("u1", workload=grouped, backend="torch-eager:cpu:fp32"), here, campaign_uid=uid
        )
        store.add(example_measurement("u2", workload=model, threads=2), here)
        crashed = example_measurement(
            "u3",
            workload=example_workload(20),
            status=Status.FAILED,
            reason="[red]the worker\ncrashed",
            blocks=(),
        )
        store.add(crashed, there)
    return path


def test_info(run: Run, database: Path) -> None:
    code, out, err = run("info")
    assert (code, err) == (0, "")
    assert f"{database} (schema 0001" in out
    assert "measurement 4" in out
    assert example_environment().fingerprint in out
    assert "Other CPU" in out
    facts = json.loads(run("info", "--json")[1])
    assert facts["location"] == str(database)
    assert facts["revision"] == "0001"
    assert facts["size_bytes"] == database.stat().st_size
    assert facts["counts"]["measurement"] == 4
    assert [e["measurements"] for e in facts["environments"]] == [3, 1]
    assert [(c["name"], c["generation"], c["measurements"]) for c in facts["campaigns"]] == [("depth", 0, 2)]


def test_info_finds_damage(run: Run, database: Path) -> None:
    content = bytearray(database.read_bytes())
    for page in range(20, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = bytes([0xA5]) * 64
    database.write_bytes(content)
    code, out, err = run("info")
    assert (code, out) == (2, "")
    assert "damaged" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "uids"),
    [
        ([], ["u0", "u1", "u2", "u3"]),
        (["--pattern", "standard"], ["u0", "u3"]),
        (["--pattern", "standard", "--depth", "20"], ["u3"]),
        (["--model", "torchvision:resnet18"], ["u2"]),
        (["--model", "resnet18"], ["u2"]),
        (["--backend", "torch-eager"], ["u1"]),
        (["--backend", "openvino:cpu:fp32", "--status", "ok"], ["u0", "u2"]),
        (["--batch", "8"], ["u1"]),
        (["--width", "64"], ["u0", "u3"]),
        (["--threads", "2"], ["u2"]),
        (["--environment", example_environment("Other CPU").fingerprint[:5]], ["u3"]),
        (["--limit", "2"], ["u0", "u1"]),
        (["--depth", "99"], []),
    ],
)
def test_query_filters(run: Run, database: Path, options: list[str], uids: list[str]) -> None:
    code, out, err = run("query", "--json", *options)
    assert (code, err) == (0, "")
    assert [row["uid"] for row in json.loads(out)] == uids


def test_architectures_of_a_space(run: Run, database: Path, tmp_path: Path) -> None:
    """By the text that `hwnas measure --model` takes, by the short form of tables, or all of a space."""
    space = load_space("nasbench201")
    architectures = [space.sample(random.Random(seed)) for seed in (0, 1)]
    with LatencyStore.open(database) as store:
        for uid, architecture, batch in (("s0", 0, 1), ("s1", 1, 1), ("s2", 1, 8)):
            workload = space_workload(space, architectures[architecture], batch=batch)
            store.add(example_measurement(uid, workload=workload), example_environment())
        gone = Workload("space", "gone.yaml", (1, 3, 8, 8), {"architecture": "8,1", "digest": "0" * 16})
        store.add(example_measurement("s3", workload=gone), example_environment())

    def uids(model: str) -> list[str]:
        code, out, err = run("query", "--json", "--model", model)
        assert (code, err) == (0, "")
        return [row["uid"] for row in json.loads(out)]

    one = space_workload(space, architectures[1])
    assert uids(space_model(one)) == ["s1", "s2"]
    assert uids(f"space:{one.short_name}") == ["s1", "s2"]
    assert uids("space:nasbench201") == ["s0", "s1", "s2"]
    assert uids("space:gone.yaml:8,1") == ["s3"]
    for model, said in (
        ("space:nasbench", "nasbench201"),
        ("space:gone.yaml:16,1", "gone.yaml"),
        ("space:patterns#123456", "unknown measured search space or architecture"),
        (space_model(one).replace("~0|+", "~0,+", 1), "cannot read the architecture"),
        (space_model(space_workload(space, space.sample(random.Random(5)))), "unknown measured architecture"),
    ):
        code, out, err = run("query", "--model", model)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert said in err


def test_query_formats(run: Run, database: Path) -> None:
    rows = json.loads(run("query", "--json")[1])
    assert rows[0] == {
        "uid": "u0",
        "environment": example_environment().fingerprint,
        "campaign": "depth",
        "workload": "standard d10 w64 56x56 b1",
        "kind": "pattern",
        "name": "standard",
        "batch": 1,
        "depth": 10,
        "width": 64,
        "resolution": 56,
        "macs": 10**9,
        "parameters": None,
        "backend": "openvino:cpu:fp32",
        "threads": 1,
        "pass_index": 0,
        "status": "ok",
        "reason": "",
        "median_s": pytest.approx(0.00205),
        "sample_count": 4,
        "peak_memory_bytes": 3 * 2**30,
        "counters": [c.to_dict() for c in example_measurement().counters],
        "created_at": "2026-01-02T03:04:05+00:00",
    }
    table = list(csv.DictReader(io.StringIO(run("query", "--csv")[1])))
    assert [r["uid"] for r in table] == ["u0", "u1", "u2", "u3"]
    assert table[3]["reason"] == "[red]the worker crashed"
    assert table[3]["median_s"] == ""
    # Where nothing matches, the columns are still there.
    code, out, err = run("query", "--csv", "--depth", "99")
    assert (code, err) == (0, "")
    assert out == ",".join(rows[0]) + "\n"


def test_query_table(run: Run, database: Path) -> None:
    code, out, err = run("query")
    assert (code, err) == (0, "4 of 4 measurements\n")
    assert "2.05 ms" in out
    assert "[red]the worker crashed" in out
    assert out.count(example_environment("Other CPU").fingerprint) == 1  # two environments: say whose
    code, out, err = run("query", "--limit", "1", "--environment", example_environment().fingerprint)
    assert err == "1 of 3 measurements\n"
    assert example_environment().fingerprint not in out


def test_export_import_and_merge(run: Run, database: Path, tmp_path: Path) -> None:
    for suffix in ("csv", "parquet", "jsonl", "jsonl.gz", "sqlite"):
        file, target = tmp_path / f"out.{suffix}", tmp_path / f"target-{suffix}.sqlite"
        assert run("export", file, "--pattern", "standard") == (0, f"{file}: 2 written\n", "")
        assert run("import", "--db", target, file, file) == (
            0,
            f"{file}: 2 added, 0 already there\n{file}: 0 added, 2 already there\n",
            "",
        )
    assert run("merge", "--db", target, database) == (0, f"{database}: 2 added, 2 already there\n", "")
    with LatencyStore.open(database) as ours, LatencyStore.open(target) as merged:
        by_uid = {s.measurement.uid: s for s in merged.measurements()}
        assert by_uid == {s.measurement.uid: s for s in ours.measurements()}


def test_merge_says_which_counts_are_new(run: Run, database: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    run("merge", "--db", other, database)
    with LatencyStore.open(other) as store:
        first = next(iter(store.measurements())).measurement
        with store.writing() as writer:
            writer.counters(first.uid, [Counter(LLC_MISSES, 7.0, "model", "1048576,16,64", 1)])
    for said in (" (1 of their counters is new)", ""):
        assert run("merge", other) == (0, f"{other}: 0 added, 4 already there{said}\n", "")


def test_merge_says_what_it_left_out(run: Run, database: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    run("merge", "--db", other, database)
    environment = example_environment()
    for path, uid in ((database, "ours"), (other, "theirs")):
        with LatencyStore.open(path) as store:
            campaign = store.campaign("depth", {}, environment).uid
            store.add(example_measurement(uid, pass_index=7), environment, campaign_uid=campaign)
    code, out, _ = run("merge", other)
    assert code == 0
    assert out.startswith(f"{other}: 0 added, 4 already there, 1 left out (")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["info", "--db", "{tmp}/none.sqlite"], "no latency database at {tmp}/none.sqlite. Run hwnas measure"),
        (["info", "--db", "{tmp}"], "is a directory"),
        (["import", "some.jsonl", "--db", "shipped"], "read only"),
        (["info", "--db", "redis://host"], "'redis'"),
        (["query", "--pattern", "standrd"], "Did you mean standard?"),
        (["query", "--model", "torchvision:resnet19"], "Did you mean resnet18?"),
        (["query", "--backend", "tensorflow"], "Known: openvino:cpu:fp32, torch-eager:cpu:fp32"),
        (["query", "--environment", "zz"], "unknown environment 'zz'"),
        (["info", "--db", ""], "--db is empty"),
        (["query", "--environment", ""], "--environment is empty"),
        (["export", "{tmp}/out.csv", "--backend", ""], "--backend is empty"),
        (["import", "{tmp}/none.jsonl", "--db", ""], "--db is empty"),
        (["merge", "{tmp}/none.sqlite", "--db", ""], "--db is empty"),
        (["query", "--pattern", "standard", "--model", "resnet18"], "exclude each other"),
        (["query", "--json", "--csv"], "exclude each other"),
        (["export", "{tmp}/out.csv", "--depth", "99"], "no measurement in {tmp}/latency.sqlite matches"),
        (["export", "{tmp}/out.xlsx"], ".parquet"),
        (["import", "{tmp}/none.jsonl"], "{tmp}/none.jsonl cannot be read (No such file or directory)"),
        (["merge", "{tmp}/none.sqlite"], "no latency database at {tmp}/none.sqlite"),
        (["merge", "{tmp}/latency.sqlite"], "is the database itself"),
    ],
)
def test_mistakes_are_one_line(
    run: Run, database: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    code, out, err = run(*(a.format(tmp=tmp_path) for a in arguments))
    assert (code, out) == (2, "")
    assert says.format(tmp=tmp_path) in err
    assert err.startswith("hwnas: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["query", "--depth", "-1"], "--depth"),
        (["query", "--status", "fine"], "--status"),
        (["import"], "FILE"),
        (["nonsense"], "nonsense"),
    ],
)
def test_mistakes_that_click_finds(run: Run, database: Path, arguments: list[str], says: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert says in err
