"""The tiled cache against one that is written out."""

from hypothesis import given
from hypothesis import strategies as st

from hwnas.cache_misses.lru import TiledCache
from hwnas.core.cache_geometry import CacheGeometry

GEOMETRY = CacheGeometry(32 * 2**10, 16, 64)


def _reference(tiles, capacity):
    """Misses by a list in order of use."""
    recent, missed = [], []
    for tile in tiles:
        missed.append(tile not in recent)
        recent = [*[t for t in recent if t != tile][-capacity + 1 :], tile]
    return missed


@given(st.lists(st.integers(0, 50), max_size=300))
def test_replaces_the_least_recently_used(tiles):
    cache = TiledCache(GEOMETRY)
    capacity = GEOMETRY.size_bytes // cache.tile_bytes
    assert [cache.touch([t]) for t in tiles] == _reference(tiles, capacity)


def test_tiles_are_a_small_power_of_two_part_of_the_cache():
    for size in (2**15, 2**22, 6 * 2**20, 2**25, 3 * 2**24):
        tile = TiledCache(CacheGeometry(size, 12 if size % 3 == 0 else 16, 64)).tile_bytes
        assert tile & (tile - 1) == 0
        assert tile <= max(1024, size / 128)
