"""Lookup tables in the format of ProxylessNAS and Once-for-All: read, written, and made of latency tables."""

from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.errors import UnknownName, UsageError
from hwnas.predicting.latency_table import Factor, LatencyTable
from hwnas.predicting.lookup_yaml import BlockKey, LookupEntry, LookupTable

STEM = "Conv-input:32x32x3-output:16x16x8"
LOGITS = "Logits-input:4x4x64-output:10"
BLOCK = "expanded_conv-input:16x16x8-output:8x8x16-expand:{expand}-kernel:{kernel}-stride:2-idskip:0"

#: As their programs write it: no unit.
TEXT = f"""\
{STEM}:
  count: 982
  mean: 4.083755600814664
  var: 0.2502372872758427
{LOGITS}:
  count: 145
  mean: 0.3
  var: 1.0e-05
""" + "".join(
    f"{BLOCK.format(expand=expand, kernel=kernel)}:\n  count: 9\n  mean: {expand * kernel / 7}\n  var: 0.125\n"
    for expand in (3, 6)
    for kernel in (3, 5)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lut.yaml"
    path.write_text(TEXT)
    return path


def test_reads_in_the_unit_that_the_caller_gives(path):
    table = LookupTable.load(path, unit="ms")
    assert len(table) == 6
    assert STEM in table
    assert table.entries[STEM] == LookupEntry(4.083755600814664, 982, 0.2502372872758427)
    assert table.latency_s(STEM) == 4.083755600814664e-3
    assert LookupTable.load(path, unit="us").latency_s(LOGITS) == 0.3e-6
    assert LookupTable.load(path, unit="s").latency_s(LOGITS) == 0.3


def test_the_unit_is_never_guessed(path):
    with pytest.raises(UsageError, match=r"lut.yaml does not state its unit. Give it, such as .*unit=\"ms\""):
        LookupTable.load(path)
    with pytest.raises(UsageError, match="unknown unit of time 'milliseconds'"):
        LookupTable.load(path, unit="milliseconds")


@pytest.mark.parametrize(
    "head",
    ["# unit: ms\n", "# of a phone\n#unit:ms\n", "\n# unit: ms\n", "# of a phone\n \n---\n  # unit: ms\n\n"],
)
def test_reads_the_unit_that_the_file_states(path, head):
    path.write_text(head + TEXT)
    assert LookupTable.load(path).unit == "ms"
    assert LookupTable.load(path, unit="ms").unit == "ms"
    with pytest.raises(UsageError, match="states the unit 'ms', not 's'"):
        LookupTable.load(path, unit="s")


def test_a_comment_after_the_first_key_states_nothing(path):
    path.write_text(TEXT + "# unit: ms\n")
    with pytest.raises(UsageError, match="does not state its unit"):
        LookupTable.load(path)


def test_files_come_back_character_by_character(path, tmp_path):
    LookupTable.load(path, unit="ms").save(tmp_path / "again.yaml")
    assert (tmp_path / "again.yaml").read_text() == "# unit: ms\n" + TEXT
    # Other programs read the same keys and numbers as before.
    assert yaml.safe_load((tmp_path / "again.yaml").read_text()) == yaml.safe_load(TEXT)


numbers = st.floats(0, 1e300)
entries = st.builds(LookupEntry, mean=numbers, count=st.none() | st.integers(0, 10**9), var=st.none() | numbers)


@given(
    st.dictionaries(st.text(st.characters(categories=["L", "N", "P", "Zs"])), entries),
    st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_what_is_saved_comes_back(tmp_path_factory, table, unit):
    path = tmp_path_factory.mktemp("yaml") / "table.yaml"
    LookupTable(table, unit).save(path)
    again = LookupTable.load(path)
    assert again.entries == table
    assert list(again.entries) == list(table)
    assert again.unit == unit


def test_numbers_without_a_point_are_numbers(path):
    path.write_text("a:\n  mean: 1e-05\nb:\n  mean: 3\n")
    table = LookupTable.load(path, unit="s")
    assert table.latency_s("a") == 1e-5
    assert table.entries["b"] == LookupEntry(3.0)


def test_a_missing_key_names_close_ones(path):
    table = LookupTable.load(path, unit="ms")
    missing = BLOCK.format(expand=3, kernel=7)
    with pytest.raises(UnknownName) as error:
        table.latency_s(missing)
    assert missing in error.value.message
    assert BLOCK.format(expand=3, kernel=3) in error.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"lut.yaml, line \d: not valid YAML"),
        ("- a\n", "lut.yaml, line 1: not a mapping"),
        ("b:\n  mean: 1\na: 3\n", "lut.yaml, line 3: key 'a' has no mean"),
        ("a:\n  mean: 1\na:\n  mean: 2\n", "lut.yaml, line 3: key a stands there twice"),
        ("a:\n  count: 3\n", "key 'a' has no mean"),
        ("3:\n  mean: 3\n", "key 3 has no mean"),
        ("a:\n  mean: fast\n", "key 'a' has the mean 'fast'"),
        ("a:\n  mean: .nan\n", "key 'a' has the mean nan"),
        ("a:\n  mean: true\n", "key 'a' has the mean True"),
        ("b:\n  mean: 1\na:\n  mean: -1\n", "lut.yaml, line 3: key 'a' has the mean -1"),
        ("a:\n  mean: 1\n  count: many\n", "key 'a' has the count 'many'"),
        ("a: 2026-02-30\n", "lut.yaml: .*Put text that looks like a date in quotes"),
        ("a: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ],
)
def test_wrong_files(path, text, message):
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        LookupTable.load(path, unit="ms")


def test_files_that_are_none(path, tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*missing.yaml"):
        LookupTable.load(tmp_path / "missing.yaml", unit="ms")
    with pytest.raises(UsageError, match="cannot be written"):
        LookupTable.load(path, unit="ms").save(tmp_path / "missing" / "lut.yaml")
    with pytest.raises(UnknownName, match="unknown unit of time 'min'"):
        LookupTable({}, "min")
    with pytest.raises(UsageError, match="key 'a' has the mean nan"):
        LookupTable({"a": LookupEntry(float("nan"))}, "s")


KEYS = [
    ("Conv-input:224x224x3-output:112x112x32", BlockKey("Conv", (224, 224, 3), (112, 112, 32))),
    ("Conv_1-input:7x7x320-output:7x7x1280", BlockKey("Conv_1", (7, 7, 320), (7, 7, 1280))),
    ("AvgPool2D-input:7x7x1152-output:1x1x1152", BlockKey("AvgPool2D", (7, 7, 1152), (1, 1, 1152))),
    ("Logits-input:7x7x1280-output:1000", BlockKey("Logits", (7, 7, 1280), (1000,))),
    (
        "expanded_conv-input:112x112x24-output:56x56x40-expand:3-kernel:5-stride:2-idskip:0",
        BlockKey("expanded_conv", (112, 112, 24), (56, 56, 40), expand=3, kernel=5, stride=2, idskip=False),
    ),
    (
        "expanded_conv-input:14x14x80-output:14x14x80-expand:240-kernel:7-stride:1-idskip:1-se:1-hs:0",
        BlockKey("expanded_conv", (14, 14, 80), (14, 14, 80), 240, 7, 1, idskip=True, se=True, hs=False),
    ),
]


@pytest.mark.parametrize(("text", "key"), KEYS)
def test_keys_there_and_back(text, key):
    assert str(key) == text
    assert BlockKey.parse(text) == key


sizes = st.integers(1, 5000)
shapes = st.lists(sizes, min_size=1, max_size=3).map(tuple)
flags = st.booleans()


@given(
    shapes,
    shapes,
    st.just({})
    | st.fixed_dictionaries({"expand": sizes, "kernel": sizes, "stride": sizes, "idskip": flags})
    | st.fixed_dictionaries(
        {"expand": sizes, "kernel": sizes, "stride": sizes, "idskip": flags, "se": flags, "hs": flags}
    ),
)
def test_every_block_has_its_key(input_shape, output_shape, numbers):
    block = BlockKey("expanded_conv", input_shape, output_shape, **numbers)
    assert BlockKey.parse(str(block)) == block


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Conv",
        "Conv-input:3-output:",
        "Conv-input:0x3-output:3",
        "Conv-input:03-output:3",
        "Conv-input:3-output:3-kernel:3",
        f"{BLOCK.format(expand=3, kernel=3)}-se:1",
        f"{BLOCK.format(expand=3, kernel=3)}-se:1-hs:2",
        f"{STEM}\n",
    ],
)
def test_texts_that_are_no_keys(text):
    with pytest.raises(UsageError, match="is no key of a block"):
        BlockKey.parse(text)


def test_blocks_that_have_no_keys():
    with pytest.raises(UsageError, match="a key of expanded_conv with kernel, stride"):
        BlockKey("expanded_conv", (8, 8, 8), (8, 8, 8), kernel=3, stride=1)
    with pytest.raises(UsageError, match="is no key of a block"):
        BlockKey("Conv", (8, 8, -8), (8,))
    with pytest.raises(UsageError, match="is no key of a block"):
        BlockKey("a conv", (8, 8, 8), (8,))


def latency_table(lookup):
    """A space whose block has kernel and expansion to choose, and may be followed by nothing."""
    keys = [[BLOCK.format(expand=expand, kernel=kernel) for expand in (3, 6)] for kernel in (3, 5)]
    return LatencyTable(
        {"kernel": [3, 5], "expand": [3, 6], "head": ["none", "logits"]},
        [
            lookup.factor("block", ("kernel", "expand"), keys),
            lookup.factor("head", "head", [None, LOGITS]),
            Factor("no block", "head", [0.0, 1.0]),
        ],
        lookup.latency_s(STEM),
        backend="tflite:cpu:fp32",
        host="a phone",
        batch=1,
    )


def test_latency_tables_are_made_of_keys(path):
    lookup = LookupTable.load(path, unit="ms")
    table = latency_table(lookup)
    block = lookup.latency_s(BLOCK.format(expand=6, kernel=5))
    latency_s = table.latency({"kernel": 5, "expand": 6, "head": "none"})
    assert latency_s == pytest.approx(lookup.latency_s(STEM) + block, rel=1e-14)
    with pytest.raises(UnknownName, match="unknown key of the lookup table 'Logits'"):
        lookup.factor("head", "head", [None, "Logits"])
    with pytest.raises(UsageError, match="2 choices and seconds of shape"):
        lookup.factor("head", ("kernel", "head"), [None, LOGITS])


def test_latency_tables_become_lookup_tables(path, tmp_path):
    lookup = LookupTable.load(path, unit="ms")
    latency_table(lookup).save(tmp_path / "table.json")
    table = LatencyTable.load(tmp_path / "table.json")  # the keys travel in the file
    with pytest.raises(UsageError, match=r"^no block of the latency table have no key in this format"):
        LookupTable.from_latency_table(table, unit="ms")
    exported = LookupTable.from_latency_table(table, unit="ms", leave_out=["no block"])
    assert set(exported.entries) == set(lookup.entries) - {STEM}
    for key, entry in exported.entries.items():
        assert entry.mean == pytest.approx(lookup.entries[key].mean, rel=1e-15)
    in_seconds = LookupTable.from_latency_table(table, unit="s", leave_out=["no block"])
    in_seconds.save(tmp_path / "seconds.yaml")
    again = LookupTable.load(tmp_path / "seconds.yaml")
    assert all(again.latency_s(key) == lookup.latency_s(key) for key in again.entries)


def exported(*factors, batch=1):
    table = LatencyTable({"a": [1, 2]}, factors, 0.0, backend="x", host="y", batch=batch)
    return LookupTable.from_latency_table(table, unit="ms")


def test_export_refuses_what_the_format_cannot_hold():
    assert exported(Factor("f", "a", [1.0, 2.0], ["k", "l"]), Factor("g", "a", [1.0, 0.0], ["k", None]))
    with pytest.raises(UsageError, match=r"'k' has two latencies, 1.0 s and 3.0 s \(factor 'g'\)"):
        exported(Factor("f", "a", [1.0, 2.0], ["k", "l"]), Factor("g", "a", [3.0, 0.0], ["k", None]))
    with pytest.raises(UsageError, match="of batches of 8 images"):
        exported(Factor("f", "a", [1.0, 2.0], ["k", "l"]), batch=8)
    with pytest.raises(UsageError, match=r"factor 'f' has an entry of 2.0 s without a key"):
        exported(Factor("f", "a", [1.0, 2.0], ["k", None]))
    with pytest.raises(UsageError, match=r"^f of the latency table have no key in this format"):
        exported(Factor("f", "a", [1.0, 2.0]), Factor("g", "a", [1.0, 0.0], ["k", None]))
    with pytest.raises(UnknownName, match="unknown unit of time 'minutes'"):
        LookupTable.from_latency_table(
            LatencyTable({"a": [1]}, [], 0.0, backend="x", host="y", batch=1), unit="minutes"
        )


def test_the_documented_example_runs(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "latency_table.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        exec(page.split("```python\n")[2].partition("```")[0], {})
    printed = capsys.readouterr().out.splitlines()
    documented = page.split("```text\n")[2].partition("```")[0].splitlines()
    assert [line.partition(":")[0] for line in printed] == [line.partition(":")[0] for line in documented]
    # What is not trained is the same everywhere.
    assert printed[-2:] == documented[-2:]
    assert LookupTable.load("phone.yaml").unit == "ms"
