"""Whatever can be measured comes back from the database and from every file format."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwnas.core.kernel import Kernel
from hwnas.core.measurement import Agreement, Block, Measurement, Preparation, Status
from hwnas.core.workload import KINDS, Workload
from hwnas.store import LatencyStore
from hwnas.store.exchange import export, import_file
from hwnas.store.rows import storable
from hwnas.testing.examples import example_environment

# Text that every database can hold; what becomes of other text, the contract tests.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
small = st.integers(1, 2**31 - 1)
seconds = st.integers(1, 10**12).map(lambda ns: ns / 1e9)
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
canaries = st.dictionaries(names, seconds, max_size=2)


def optional(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


workloads = st.builds(
    Workload,
    kind=st.sampled_from(KINDS),
    name=text,
    input_shape=st.lists(small, min_size=1, max_size=5).map(tuple),
    params=st.dictionaries(
        st.sampled_from(["depth", "width", "kernel", "x"]), st.booleans() | small | numbers | text, max_size=3
    ),
    seed=st.integers(0, 2**31),
)
blocks = st.builds(
    Block,
    round=st.integers(0, 1000),
    start_s=st.integers(0, 10**12).map(lambda us: us / 1e6),
    samples_s=st.lists(seconds, min_size=1, max_size=4).map(tuple),
    canary_before_s=canaries,
    canary_after_s=canaries,
    steal_ticks=optional(st.integers(0, 100)),
)
kernels = st.builds(
    Kernel,
    position=st.just(0),
    name=text,
    type=text,
    implementation=text,
    precision=text,
    layout=optional(text),
    fused=st.lists(text, max_size=2).map(tuple),
    time_s=optional(seconds),
    attributes=st.dictionaries(text, json_values, max_size=2),
)
measurements = st.builds(
    Measurement,
    uid=names,
    group=text,
    workload=workloads,
    backend=text,
    threads=small,
    pass_index=st.integers(0, 100),
    status=st.sampled_from(Status),
    reason=text,
    blocks=st.lists(blocks, min_size=1, max_size=3).map(tuple),
    calls_per_sample=small,
    stop_reason=text,
    preparation=st.builds(
        Preparation,
        build_s=optional(seconds),
        convert_s=optional(seconds),
        compile_s=optional(seconds),
        first_inference_s=optional(seconds),
        warmup_s=optional(seconds),
        warmup_calls=optional(small),
        warmup_settled=optional(st.booleans()),
    ),
    peak_memory_bytes=optional(st.integers(0, 2**50)),
    effective=st.dictionaries(text, json_values, max_size=3),
    agreement=optional(
        st.builds(
            Agreement,
            passed=st.booleans(),
            max_relative_error=optional(numbers),
            tolerance=numbers,
            reference=text,
            reason=text,
        )
    ),
    kernels=st.lists(kernels, max_size=2).map(tuple),
    created_at=text,
    protocol=text,
)

SETTINGS = settings(max_examples=25, suppress_health_check=list(HealthCheck))


@SETTINGS
@given(measurement=measurements)
def test_database_gives_back_what_it_got(measurement: Measurement, store: LatencyStore) -> None:
    unique = replace(measurement, uid=uuid.uuid4().hex)  # the examples share one database
    store.add(unique, example_environment())
    stored = list(store.measurements())[-1]
    assert stored.measurement == unique
    assert stored.median_s == unique.median_s


@SETTINGS
@given(measurement=measurements, suffix=st.sampled_from([".csv", ".parquet", ".jsonl", ".jsonl.gz"]))
def test_files_give_back_what_they_got(
    measurement: Measurement, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.mktemp("exchange")
    with LatencyStore.open(folder / "a.sqlite") as source, LatencyStore.open(folder / "b.sqlite") as target:
        source.add(measurement, example_environment(), macs=2**40)
        export(source, folder / f"file{suffix}")
        assert import_file(target, folder / f"file{suffix}") == (1, 0, 0, 0)
        assert list(target.measurements()) == list(source.measurements())


@given(st.text(st.characters(), max_size=20))
def test_every_text_becomes_storable(text: str) -> None:
    kept = storable(text)
    assert "\0" not in kept
    assert kept.encode("utf-8").decode("utf-8") == kept
    assert storable(kept) == kept
    if text.isprintable():
        assert kept == text
