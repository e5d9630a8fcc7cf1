"""Cache geometries: what can be written, and what cannot be a cache."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.cache_geometry import CacheGeometry, host_cache, parse_cache
from hwnas.core.environment import Cache
from hwnas.core.errors import UsageError
from hwnas.testing.examples import example_environment

HOST = example_environment()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4M,16,64", CacheGeometry(4 * 2**20, 16, 64)),
        (" 1536K , 12 , 64 ", CacheGeometry(1536 * 2**10, 12, 64)),
        ("33554432,16,64", CacheGeometry(2**25, 16, 64)),
        ("paper", CacheGeometry(2**22, 16, 64)),
        # As Intel lists it.
        ("I5-7600K", CacheGeometry(6 * 2**20, 12, 64)),
        ("host", CacheGeometry(4 * 2**20, 16, 64)),
    ],
)
def test_geometries_are_read(text, expected):
    assert parse_cache(text, HOST) == expected
    assert parse_cache(str(expected), HOST) == expected


@pytest.mark.parametrize(
    "text",
    ["", "4M", "4M,16", "4M,16,64,1", "4M,16,48", "4M,0,64", "5000,16,64", "x,16,64", "4M,a,64", "0,1,64"],
)
def test_what_is_no_cache_is_refused_with_the_way_out(text):
    with pytest.raises(UsageError) as caught:
        parse_cache(text, HOST)
    assert caught.value.hint


def test_a_host_that_does_not_tell_its_cache():
    silent = replace(HOST, caches=(Cache(3, "Unified", 4 * 2**20, None, 64, 4),))
    assert host_cache(silent) is None
    with pytest.raises(UsageError, match="does not tell"):
        parse_cache("host", silent)


@given(st.integers(1, 64), st.integers(1, 40000))
def test_simulators_get_a_power_of_two_of_sets(ways, sets):
    geometry = CacheGeometry(ways * sets * 64, ways, 64)
    simulated = geometry.with_power_of_two_sets()
    assert simulated.sets & (simulated.sets - 1) == 0
    if geometry.sets & (geometry.sets - 1) == 0:
        assert simulated == geometry
    elif sets > 4 and ways > 4:
        assert 0.85 < simulated.size_bytes / geometry.size_bytes < 1.15


@pytest.mark.parametrize(
    "text", ["4M,16,64", "4194304,16", "4194304,²,64", "-1,16,64", "x", f"{'9' * 400},16,64"]
)
def test_only_what_was_written_is_read_back(text):
    assert str(CacheGeometry.of("4194304,16,64")) == "4194304,16,64"
    with pytest.raises(UsageError):
        CacheGeometry.of(text)


@pytest.mark.parametrize("text", ["4M,²,64", f"{'9' * 400},16,64", "4M,16,x"])
def test_odd_digits_and_huge_sizes_are_one_line(text):
    with pytest.raises(UsageError):
        parse_cache(text, example_environment())
