"""Raw samples as stored: compact, and the same when read back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.measurement import Block, Measurement, decode_blocks, encode_blocks
from hwnas.testing.examples import example_measurement

durations = st.integers(1, 10**12).map(lambda ns: ns / 1e9)
canaries = st.dictionaries(st.sampled_from(["matrix", "gather", "stride"]), durations, max_size=3)
blocks = st.builds(
    Block,
    st.integers(0, 10**6),
    st.integers(0, 10**13).map(lambda us: us / 1e6),
    st.lists(durations, min_size=1, max_size=5).map(tuple),
    canaries,
    canaries,
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 100),
)


@given(st.lists(blocks, max_size=4))
def test_blocks_round_trip(found):
    assert decode_blocks(json.loads(json.dumps(encode_blocks(found)))) == tuple(found)


def test_a_canary_between_two_blocks_is_written_once():
    shared = {"matrix": 1e-4}
    found = [Block(0, 0.0, (1e-3,), {"matrix": 2e-4}, shared), Block(0, 1.0, (1e-3,), shared, {"matrix": 3e-4})]
    assert json.dumps(encode_blocks(found)).count("[100000]") == 1
    assert decode_blocks(encode_blocks(found)) == tuple(found)


def test_a_measurement_round_trips_through_json():
    measurement = example_measurement()
    assert Measurement.from_dict(json.loads(json.dumps(measurement.to_dict()))) == measurement


def test_medians():
    # Of 1.9, 2.0, 2.1 and 2.2 ms, in two blocks.
    assert example_measurement().median_s == pytest.approx(2.05e-3)
    assert [block.median_s for block in example_measurement().blocks] == pytest.approx([2.0e-3, 2.2e-3])
    assert example_measurement(blocks=()).median_s is None
