import csv
import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine.default import DefaultExecutionContext

from hwnas.core.errors import DatabaseError, UnknownName, UsageError
from hwnas.core.measurement import PROTOCOL_VERSION, Status, decode_blocks
from hwnas.store import LatencyStore
from hwnas.store.exchange import entries, export, import_file, merge
from hwnas.testing.examples import example_environment, example_measurement, example_workload

SUFFIXES = [".csv", ".parquet", ".jsonl", ".jsonl.gz", ".sqlite"]


@pytest.fixture
def filled(store: LatencyStore) -> LatencyStore:
    """Two environments, two generations of a campaign, failed cells and odd text."""
    here, there = example_environment(), example_environment('Other, "CPU"\n')
    store.set_canary_reference(here, PROTOCOL_VERSION, {"compute": 0.001, "copy": 1e-9})
    first = store.campaign("depth", {"depths": [10, 20], "a": None}, here).uid
    second = store.campaign("depth", {"depths": [10, 20], "a": None}, here, fresh=True).uid
    store.add(example_measurement("u0"), here, campaign_uid=first, macs=10**12, parameters=5)
    store.add(example_measurement("u1"), here, campaign_uid=second)
    failed = example_measurement(
        "u2", status=Status.FAILED, blocks=(), reason='a,b\r\n"c" \udc80 é', agreement=None
    )
    store.add(failed, there)
    store.add(
        example_measurement("u3", workload=example_workload(depth=20), threads=2, peak_memory_bytes=None), there
    )
    return store


@pytest.fixture
def target(tmp_path: Path, empty_database: Path) -> LatencyStore:
    return LatencyStore.open(shutil.copyfile(empty_database, tmp_path / "target.sqlite"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_export_and_import_lose_nothing(
    suffix: str, filled: LatencyStore, target: LatencyStore, tmp_path: Path
) -> None:
    file = tmp_path / f"out.v1{suffix}"
    assert export(filled, file) == 4
    assert import_file(target, file) == (4, 0, 0, 0)
    assert list(target.measurements()) == list(filled.measurements())
    assert target.environments() == filled.environments()
    assert target.campaigns() == filled.campaigns()
    assert target.canary_references() == filled.canary_references()
    counts = target.counts()
    assert import_file(target, file) == (0, 4, 0, 0)
    assert target.counts() == counts


def test_taking_in_asks_the_database_little(
    store: LatencyStore, target: LatencyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study has a hundred thousand kernels: they come in by the measurement, and a reference is set once."""
    here = example_environment()
    store.set_canary_reference(here, example_measurement().protocol, {"compute": 0.001})
    kernels = tuple(replace(example_measurement().kernels[0], position=n) for n in range(50))
    for n in range(20):
        store.add(example_measurement(f"u{n}", kernels=kernels, counters=()), here)
    arriving = list(entries(store))
    asked: list[str] = []
    with target.writing() as writer:
        writer.entry(arriving[0])
        monkeypatch.setattr(DefaultExecutionContext, "pre_exec", lambda self: asked.append(self.statement))
        for entry in arriving[1:]:
            assert writer.entry(entry)
        monkeypatch.undo()
    # Is it there, what it is, and its kernels.
    assert len(asked) == 3 * 19, asked[:5]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_filters(suffix: str, filled: LatencyStore, target: LatencyStore, tmp_path: Path) -> None:
    file = tmp_path / f"out{suffix}"
    assert export(filled, file, {"depth": 20, "status": "ok"}) == 1
    assert import_file(target, file).added == 1
    assert [s.measurement.uid for s in target.measurements()] == ["u3"]
    assert len(target.environments()) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failing_export_leaves_the_former_file(
    suffix: str, filled: LatencyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"out{suffix}"
    if suffix != ".sqlite":
        file.write_text("before")
    before = sorted(p.name for p in tmp_path.iterdir())
    walk = LatencyStore.measurements

    def fail(*args: object, **kwargs: object) -> object:
        yield next(walk(*args, **kwargs))  # type: ignore[arg-type]
        raise DatabaseError("the disk is gone")

    monkeypatch.setattr(LatencyStore, "measurements", fail)
    with pytest.raises(DatabaseError, match="gone"):
        export(filled, file)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert suffix == ".sqlite" or file.read_text() == "before"


def test_export_replaces_files_but_no_database(filled: LatencyStore, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    assert export(filled, file) == 4
    assert export(filled, file, {"threads": 2}) == 1
    with file.open(newline="") as f:
        assert [row["uid"] for row in csv.DictReader(f)] == ["u3"]
    other = tmp_path / "out.sqlite"
    LatencyStore.open(other).close()
    with pytest.raises(UsageError, match="hwnas db merge"):
        export(filled, other)
    with pytest.raises(UsageError, match=r"cannot be written \(No such file"):
        export(filled, tmp_path / "nowhere" / "out.csv")
    with pytest.raises(UsageError, match="cannot be written"):
        export(filled, tmp_path / "nowhere" / "out.parquet")
    for suffix in SUFFIXES:  # a folder that is a file, and a name that no file can have
        for name in (f"out.csv/out{suffix}", "x" * 245 + suffix):
            with pytest.raises((UsageError, DatabaseError), match=r"cannot be (written|created)"):
                export(filled, tmp_path / name)
    with pytest.raises(UnknownName, match=r"\.parquet"):
        export(filled, tmp_path / "out.xlsx")


def test_a_database_that_cannot_be_written_is_told_as_any_other_file(
    filled: LatencyStore, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/out\.sqlite cannot be written .* Give another file$") as caught:
        export(filled, tmp_path / "file" / "out.sqlite")
    assert ".part-" not in str(caught.value)
    with pytest.raises(UsageError, match=r"^\S+x\.sqlite cannot be written \(File name too long\)"):
        export(filled, tmp_path / ("x" * 245 + ".sqlite"))
    assert export(filled, tmp_path / "new" / "folder" / "out.sqlite") == 4


def test_flat_columns_are_for_people(filled: LatencyStore, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    export(filled, file)
    with file.open(newline="") as f:
        row = next(csv.DictReader(f))
    assert row["environment"] == example_environment().fingerprint
    assert (row["kind"], row["name"], row["depth"], row["width"], row["batch"]) == (
        "pattern",
        "standard",
        "10",
        "64",
        "1",
    )
    assert float(row["median_s"]) == pytest.approx(0.00205)
    assert (row["macs"], row["compile_s"], row["status"]) == ("1000000000000", "0.3", "ok")
    assert decode_blocks(json.loads(row["blocks"])) == example_measurement().blocks


def test_pandas_reads_and_rewrites_the_table(
    filled: LatencyStore, target: LatencyStore, tmp_path: Path
) -> None:
    import pandas

    export(filled, tmp_path / "a.parquet")
    frame = pandas.read_parquet(tmp_path / "a.parquet")
    assert frame.groupby("environment")["median_s"].count().sum() == 3
    frame.to_parquet(tmp_path / "b.parquet")
    assert import_file(target, tmp_path / "b.parquet").added == 4
    frame.to_csv(tmp_path / "b.csv", index=False, encoding="utf-8-sig")
    assert import_file(target, tmp_path / "b.csv") == (0, 4, 0, 0)
    assert list(target.measurements()) == list(filled.measurements())


def test_databases_that_grew_apart(filled: LatencyStore, target: LatencyStore, tmp_path: Path) -> None:
    """Two copies of one database went on with the same campaign."""
    environment = example_environment()
    merge(target, filled)
    campaign = target.campaign("depth", {"depths": [10, 20], "a": None}, environment)
    target.add(example_measurement("theirs", pass_index=1), environment, campaign_uid=campaign.uid)
    filled.add(example_measurement("ours", pass_index=1), environment, campaign_uid=campaign.uid)
    filled.add(example_measurement("more", pass_index=2), environment, campaign_uid=campaign.uid)
    assert merge(target, filled) == (1, 4, 1, 0)
    uids = [s.measurement.uid for s in target.measurements(campaign_uid=campaign.uid)]
    assert uids == ["u1", "theirs", "more"]


def test_independent_campaigns_of_one_kind(filled: LatencyStore, target: LatencyStore) -> None:
    """Generations count within one database; merging renumbers what is taken."""
    environment = example_environment()
    spec = {"depths": [10, 20], "a": None}
    own = target.campaign("depth", spec, environment)
    target.add(example_measurement("own"), environment, campaign_uid=own.uid)
    assert merge(target, filled).added == 4
    generations = {c.uid: c.generation for c, _ in target.campaigns()}
    theirs = [c.uid for c, _ in filled.campaigns()]
    assert [generations[uid] for uid in (own.uid, *theirs)] == [0, 1, 2]


@pytest.mark.parametrize("more_here", [True, False])
def test_a_run_goes_on_with_the_campaign_that_has_more(
    more_here: bool, store: LatencyStore, target: LatencyStore
) -> None:
    """Two databases of one host began the same campaign: what is measured is not measured again."""
    environment, spec = example_environment(), {"depths": [10, 20]}
    own = target.campaign("depth", spec, environment).uid
    other = store.campaign("depth", spec, environment).uid
    full, begun = (target, store) if more_here else (store, target)
    for filled, uid, cells in ((full, own if more_here else other, 3), (begun, other if more_here else own, 1)):
        for n in range(cells):
            measured = example_measurement(f"{uid}{n}", pass_index=n)
            filled.add(measured, environment, campaign_uid=uid)
    assert merge(target, store).added == (1 if more_here else 3)
    resumed = target.campaign("depth", spec, environment).uid
    assert resumed == (own if more_here else other)
    assert len(target.finished(resumed)) == 3
    # A second time nothing comes in, and a fresh start is still the newest.
    fresh = target.campaign("depth", spec, environment, fresh=True).uid
    merge(target, store)
    assert target.campaign("depth", spec, environment).uid == fresh


def begin_afresh(store: LatencyStore) -> str:
    """The uid of a campaign with one cell, begun in place of one with three."""
    environment, spec = example_environment(), {"depths": [10, 20]}
    complete = store.campaign("depth", spec, environment).uid
    for n in range(3):
        store.add(example_measurement(f"old{n}", pass_index=n), environment, campaign_uid=complete)
    fresh = store.campaign("depth", spec, environment, fresh=True).uid
    store.add(example_measurement("fresh"), environment, campaign_uid=fresh)
    return fresh


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_fresh_start_stays_the_newest_in_every_form(
    suffix: str, store: LatencyStore, target: LatencyStore, tmp_path: Path
) -> None:
    fresh = begin_afresh(store)
    file = tmp_path / f"out{suffix}"
    export(store, file)
    import_file(target, file)
    assert target.campaigns() == store.campaigns()
    assert target.campaign("depth", {"depths": [10, 20]}, example_environment()).uid == fresh


def test_a_fresh_start_in_a_copy_is_one_here_as_well(store: LatencyStore, target: LatencyStore) -> None:
    """Whoever began it knew the campaign that has more cells."""
    environment, spec = example_environment(), {"depths": [10, 20]}
    complete = target.campaign("depth", spec, environment).uid
    for n in range(3):
        target.add(example_measurement(f"old{n}", pass_index=n), environment, campaign_uid=complete)
    merge(store, target)
    fresh = store.campaign("depth", spec, environment, fresh=True).uid
    store.add(example_measurement("fresh"), environment, campaign_uid=fresh)
    assert merge(target, store).added == 1
    assert target.campaign("depth", spec, environment).uid == fresh


def test_an_export_meets_a_campaign_that_begins_meanwhile(
    filled: LatencyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwnas.store.latency_store.PAGE", 1)
    exported = entries(filled)
    found = [next(exported)]
    elsewhere = example_environment("A third CPU")
    filled.set_canary_reference(elsewhere, PROTOCOL_VERSION, {"compute": 0.002})
    campaign = filled.campaign("width", {}, elsewhere)
    filled.add(example_measurement("late"), elsewhere, campaign_uid=campaign.uid)
    found += exported
    assert [entry.measurement.uid for entry in found] == ["u0", "u1", "u2", "u3", "late"]
    assert (found[-1].environment, found[-1].campaign) == (elsewhere, campaign)
    assert found[-1].canary_reference == {"compute": 0.002}


def test_canary_reference_of_the_receiver_stays(filled: LatencyStore, target: LatencyStore) -> None:
    target.set_canary_reference(example_environment(), PROTOCOL_VERSION, {"compute": 5.0})
    merge(target, filled)
    assert target.canary_reference(example_environment(), PROTOCOL_VERSION) == {"compute": 5.0}


def test_database_is_not_merged_into_itself(filled: LatencyStore, database: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="itself"):
        merge(filled, filled)
    link = tmp_path / "link.sqlite"
    link.symlink_to(database)
    with pytest.raises(UsageError, match="itself"):
        import_file(filled, link)


def broken_json(text: str) -> str:
    lines = text.splitlines()
    return "\n".join([*lines[:2], lines[2][:50]])


def edit(change: Callable[[dict[str, object]], object]) -> Callable[[str], str]:
    """Change the third line of a file of JSON lines."""

    def apply(text: str) -> str:
        lines = text.splitlines()
        data = json.loads(lines[2])
        change(data)
        lines[2] = json.dumps(data)
        return "\n".join(lines)

    return apply


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (broken_json, r"line 3, column \d+: not JSON"),
        (lambda text: text + "[]", "line 5: not a JSON object"),
        (edit(lambda d: d.update(layout="hwnas-9")), "line 3: the layout is 'hwnas-9'.*upgrade"),
        (edit(lambda d: d.pop("layout")), "line 3: the layout is None"),
        (edit(lambda d: d.pop("environment")), "line 3, field environment: Field required"),
        (edit(lambda d: d["measurement"].pop("uid")), "line 3, field measurement.uid: Field required"),
        (
            edit(lambda d: d["measurement"].update(threads="two")),
            "line 3, field measurement.threads: .*integer",
        ),
        (edit(lambda d: d["measurement"].update(threads=0)), "line 3: .*threads is 0"),
        (edit(lambda d: d["measurement"].update(status="ok")), "line 3: .*no samples"),
        (edit(lambda d: d["measurement"].update(status="fine")), "line 3, field measurement.status"),
        (edit(lambda d: d["measurement"]["workload"].update(kind="cake")), "line 3.*workload.*cake"),
        (edit(lambda d: d.update(macs="many")), "line 3, field macs"),
        (edit(lambda d: d.update(macs=10**30)), "is damaged or not what its suffix says"),
        (lambda text: text + "[" * 200_000, "is damaged or not what its suffix says"),
        (lambda text: text + "9" * 5000, "line 5: a number of too many digits"),
        (edit(lambda d: d.update(canary_reference={"compute": float("nan")})), "line 3: .*took nan s"),
    ],
)
def test_damaged_json_lines(
    damage: Callable[[str], str], says: str, filled: LatencyStore, target: LatencyStore, tmp_path: Path
) -> None:
    file = tmp_path / "out.jsonl"
    export(filled, file)
    file.write_text(damage(file.read_text()))
    with pytest.raises(UsageError, match=says) as caught:
        import_file(target, file)
    assert "\n" not in str(caught.value)
    assert set(target.counts().values()) == {0}


def edit_blocks(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """Change the packed samples of the first line of a file of JSON lines."""

    def apply(text: str) -> str:
        lines = text.splitlines()
        data = json.loads(lines[0])
        change(data["measurement"]["blocks"])
        lines[0] = json.dumps(data)
        return "\n".join(lines)

    return apply


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (edit_blocks(lambda b: b.pop("kernels")), "KeyError: 'kernels'"),
        (edit_blocks(lambda b: b["rows"].pop()), "IndexError"),  # the first row refers to the second
        (edit_blocks(lambda b: b["rows"][0].pop()), "ValueError: not enough values"),
        (edit_blocks(lambda b: b.update(rows=7)), "TypeError"),
        (edit_blocks(lambda b: b["rows"][0].__setitem__(2, ["2 ms"])), "TypeError"),
        (edit_blocks(lambda b: b["rows"][0].__setitem__(2, [10**400])), "OverflowError"),
        (edit_blocks(lambda b: b["rows"][0].__setitem__(0, "first")), r"blocks\.0\.round: .*integer"),
        (edit_blocks(lambda b: b["rows"][0].__setitem__(1, float("nan"))), "a block starts at nan s"),
        (edit_blocks(lambda b: b["rows"][0].__setitem__(2, [-1])), "a sample of -1e-09 s is not a duration"),
        (
            edit_blocks(lambda b: b["rows"][0].__setitem__(2, [10**30])),
            r"a sample of 1e\+21 s is not a duration",
        ),
        (edit_blocks(lambda b: b["rows"][0].__setitem__(5, "many")), r"blocks\.0\.steal_ticks"),
        (edit_blocks(lambda b: b.clear()), "field measurement.blocks: .*valid tuple"),
        (edit_blocks(lambda b: b["rows"].clear()), "no samples"),
    ],
)
def test_damaged_samples(
    damage: Callable[[str], str], says: str, filled: LatencyStore, target: LatencyStore, tmp_path: Path
) -> None:
    file = tmp_path / "out.jsonl"
    export(filled, file)
    file.write_text(damage(file.read_text()))
    with pytest.raises(UsageError, match=rf"out\.jsonl, line 1\b.*{says}") as caught:
        import_file(target, file)
    assert "\n" not in str(caught.value)
    assert set(target.counts().values()) == {0}


def set_cell(column: str, value: str) -> Callable[[Path], None]:
    """Change one value in the second row of a CSV file."""

    def apply(file: Path) -> None:
        with file.open(newline="") as f:
            reader = csv.DictReader(f)
            names, rows = list(reader.fieldnames or ()), list(reader)
        rows[1][column] = value
        with file.open("w", newline="") as f:
            writer = csv.DictWriter(f, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    return apply


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (set_cell("threads", "two"), "line 3, field measurement.threads"),
        (set_cell("threads", ""), "line 3, field measurement.threads"),
        (set_cell("blocks", "[{"), "line 3, column blocks: not JSON"),
        (set_cell("blocks", "9" * 5000), "line 3, column blocks: not JSON"),
        (set_cell("environment_json", "{}"), "line 3, field environment.cpu_model"),
        (set_cell("uid", '"'), None),
        (lambda file: file.write_text(""), "lacks the columns layout, uid"),
        (lambda file: file.write_text("a,b\n1,2\n"), "lacks the columns layout, uid"),
        (
            lambda file: file.write_text(file.read_text().splitlines()[0] + "\n1,2\n"),
            "line 2: the row does not have",
        ),
        (lambda file: file.write_bytes(file.read_bytes()[:-20]), r"line \d+: "),
        (lambda file: file.write_bytes(b"\xff\xfe" + file.read_bytes()), "damaged or not what its suffix says"),
    ],
)
def test_damaged_csv(
    damage: Callable[[Path], object],
    says: str | None,
    filled: LatencyStore,
    target: LatencyStore,
    tmp_path: Path,
) -> None:
    file = tmp_path / "out.csv"
    export(filled, file)
    damage(file)
    if says is None:
        assert import_file(target, file).added == 4  # odd, but possible
        return
    with pytest.raises(UsageError, match=says) as caught:
        import_file(target, file)
    assert str(file) in str(caught.value)
    assert set(target.counts().values()) == {0}


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl.gz", ".jsonl", ".sqlite"])
@pytest.mark.parametrize("content", ["cut off", "something else", "directory", "missing"])
def test_unreadable_files(
    suffix: str, content: str, filled: LatencyStore, target: LatencyStore, tmp_path: Path
) -> None:
    file = tmp_path / f"out{suffix}"
    if content == "cut off":
        export(filled, file)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif content == "something else":
        file.write_bytes(b"\x00\xff\xfe" * 1000)
    elif content == "directory":
        file.mkdir()
    with pytest.raises((UsageError, DatabaseError)) as caught:
        import_file(target, file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(target.counts().values()) == {0}


def test_parquet_without_a_column(filled: LatencyStore, target: LatencyStore, tmp_path: Path) -> None:
    import pandas

    export(filled, tmp_path / "a.parquet")
    pandas.read_parquet(tmp_path / "a.parquet").drop(columns="blocks").to_parquet(tmp_path / "b.parquet")
    with pytest.raises(UsageError, match=r"b\.parquet lacks the column blocks"):
        import_file(target, tmp_path / "b.parquet")


def test_files_of_json_lines_can_be_joined(filled: LatencyStore, target: LatencyStore, tmp_path: Path) -> None:
    export(filled, tmp_path / "a.jsonl.gz", {"threads": 1})
    export(filled, tmp_path / "b.jsonl.gz", {"threads": 2})
    joined = tmp_path / "c.jsonl.gz"
    joined.write_bytes((tmp_path / "a.jsonl.gz").read_bytes() + (tmp_path / "b.jsonl.gz").read_bytes())
    assert import_file(target, joined).added == 4
    with gzip.open(joined, "rt") as file:
        assert sum(1 for _ in file) == 4
