"""A fully associative cache with least-recently-used replacement, at the granularity of tiles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from hwnas.core.cache_geometry import CacheGeometry

#: Tiles that fill the cache: fine enough that a partly used one does not count, coarse enough to be fast.
_TILES = 256
_SMALLEST_TILE_BYTES = 1024
#: A tile counts whole, so it must be small against the buffers.
_LARGEST_TILE_BYTES = 16 * 2**10


class TiledCache:
    """Counts the tiles of memory that have to be brought in.

    Sets are left out: with 8 ways or more, conflict misses of streams are few (Hill and Smith, IEEE
    Transactions on Computers 38, 1989). Reads and writes both bring a tile in (write-allocate);
    write-backs are not misses.

    Args:
        geometry: Capacity and line; ways are not used.
    """

    def __init__(self, geometry: CacheGeometry) -> None:
        tile = max(_SMALLEST_TILE_BYTES, geometry.line_bytes, geometry.size_bytes // _TILES)
        tile = min(tile, max(_LARGEST_TILE_BYTES, geometry.line_bytes))
        #: Bytes of a tile, a power of two.
        self.tile_bytes = 1 << (tile.bit_length() - 1)
        #: Tiles that it holds.
        self.capacity = max(1, geometry.size_bytes // self.tile_bytes)
        self._tiles: OrderedDict[int, None] = OrderedDict()

    def touch(self, walk: Iterable[int]) -> int:
        """Use tiles in order; tile `n` is the one at address ``n * tile_bytes``.

        Returns:
            How many were not in the cache.
        """
        # This loop is all that the model's time goes into.
        tiles, capacity = self._tiles, self.capacity
        use, evict = tiles.move_to_end, tiles.popitem
        missed = 0
        for tile in walk:
            if tile in tiles:
                use(tile)
                continue
            tiles[tile] = None
            missed += 1
            if len(tiles) > capacity:
                evict(last=False)
        return missed
