"""Quantities in and out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.errors import UsageError
from hwnas.core.units import (
    format_bytes,
    format_count,
    format_duration,
    format_seconds,
    parse_bytes,
    parse_count,
    parse_seconds,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2ms", 2e-3), ("1.5 s", 1.5), ("2h", 7200), ("9", 9), (4, 4), ("10us", 1e-5), (".5m", 30), (1e-5, 1e-5)],
)
def test_seconds(text, value):
    assert parse_seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(("text", "value"), [("4M", 2**22), ("2GiB", 2**31), ("100", 100), ("1.5k", 1536)])
def test_bytes(text, value):
    assert parse_bytes(text) == value


def test_counts():
    assert [parse_count(text) for text in ("10M", "1.5 k", "7", 8, 1e17)] == [10e6, 1500, 7, 8, 1e17]
    with pytest.raises(UsageError, match="Write it like 500k"):
        parse_count("10 apples")


@pytest.mark.parametrize("text", ["", "fast", "-3s", "3 parsecs", "1e", "nan", "1..2s", math.inf, -1e-5])
def test_nonsense_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="Write it like"):
        parse_seconds(text)


@pytest.mark.parametrize("digits", ["9" * 400, "1" + 307 * "0"])
def test_what_no_number_of_python_holds_is_refused(digits):
    with pytest.raises(UsageError, match=f"the quantity '{digits[:20]}'... is too large. Write it like 30s"):
        parse_seconds(f"{digits}h")
    with pytest.raises(UsageError, match=r"is too large\. Write it like 500k"):
        parse_count(f"{digits}G")


@given(st.floats(1e-9, 1e3))
def test_a_printed_latency_keeps_three_digits(value):
    number, unit = format_seconds(value).split()
    scale = {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
    assert float(number) * scale == pytest.approx(value, rel=6e-3)


def test_for_people():
    assert format_seconds(2.4123e-3) == "2.41 ms"
    assert format_seconds(0.1234) == "123 ms"
    assert format_duration(3840) == "1 h 04 min"
    assert format_duration(200.4) == "3 min 20 s"
    assert format_bytes(32 * 2**20) == "32 MiB"
    assert format_count(1.82e9) == "1.82 G"


def test_what_rounds_up_has_the_next_unit():
    assert format_bytes(1005 * 2**20) == "1005 MiB"
    assert format_bytes(999 * 2**10) == "999 KiB"
    assert format_seconds(999.7e-6) == "1.00 ms"
    assert format_seconds(999.4e-6) == "999 µs"
    assert format_count(999_900) == "1 M"
    assert format_count(999_000) == "999 k"
    assert format_count(999.7e9) == "1 T"


def test_large_counts_have_no_exponent_and_are_read_as_they_are_printed():
    assert format_count(1.524e12) == "1.52 T"
    assert parse_count(format_count(1.524e12)) == 1.52e12
