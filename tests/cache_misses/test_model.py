"""Modelled misses where the right answer can be written down."""

from hwnas.cache_misses.addresses import plan_arena
from hwnas.cache_misses.model import modelled_misses
from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.dataflow import Buffer, Dataflow, Step

MIB = 2**20
CACHE = CacheGeometry(4 * MIB, 16, 64)


def _copy(size):
    """One kernel from an input to an output."""
    buffers = (Buffer(size, "input"), Buffer(size, "output"))
    return Dataflow(buffers, (Step("copy", "copy", (0,), (1,)),), "arena")


def test_streams_beyond_the_cache_miss_on_every_line():
    found = modelled_misses(_copy(16 * MIB), CACHE)
    assert found.misses == found.accesses == 2 * 16 * MIB / 64


def test_what_fits_never_misses_once_warm():
    found = modelled_misses(_copy(MIB), CACHE)
    assert found.misses == 0
    assert found.accesses == 2 * MIB / 64


def test_in_place_costs_one_walk():
    buffers = (Buffer(16 * MIB, "input"),)
    flow = Dataflow(buffers, (Step("relu", "relu_", (0,), (0,)),), "heap")
    assert modelled_misses(flow, CACHE).misses == 16 * MIB / 64


def test_weights_beyond_the_cache_come_from_memory_in_every_inference():
    weights = tuple(Buffer(MIB, "weight") for _ in range(8))
    steps = tuple(Step(str(i), "convolution", (i,), ()) for i in range(8))
    flow = Dataflow(weights, steps, "arena")
    assert modelled_misses(flow, CACHE).misses == 8 * MIB / 64
    assert modelled_misses(flow, CacheGeometry(16 * MIB, 16, 64)).misses == 0


def test_a_larger_cache_never_misses_more():
    flow = _copy(3 * MIB)
    misses = [modelled_misses(flow, CacheGeometry(2**n * MIB, 16, 64)).misses for n in range(5)]
    assert misses == sorted(misses, reverse=True)
    assert misses[0] > 0
    assert misses[-1] == 0


def test_misses_are_told_step_by_step():
    buffers = (Buffer(16 * MIB, "input"), Buffer(16 * MIB, "temporary"), Buffer(16 * MIB, "output"))
    steps = (Step("a", "batch_norm", (0,), (1,)), Step("b", "relu", (1,), (2,), frees=(1,)))
    found = modelled_misses(Dataflow(buffers, steps, "heap"), CACHE)
    assert [s.step.name for s in found.steps] == ["a", "b"]
    assert sum(s.misses for s in found.steps) == found.misses
    assert found.steps[0].misses == 2 * 16 * MIB / 64


def test_a_step_never_misses_more_than_it_touches():
    """Misses come in tiles, and 64 B do not fill one."""
    found = modelled_misses(_copy(5 * MIB + 64), CACHE)
    assert found.misses <= found.accesses


def test_parts_lie_within_their_whole():
    buffers = (
        Buffer(8 * MIB, "input"),
        Buffer(4 * MIB, "input", 0, 0),
        Buffer(4 * MIB, "input", 0, 4 * MIB),
    )
    halves = Dataflow(buffers, (Step("a", "relu", (1,), ()), Step("b", "relu", (2,), ())), "heap")
    whole = Dataflow(buffers, (Step("a", "relu", (0,), ()),), "heap")
    assert modelled_misses(halves, CACHE).misses == modelled_misses(whole, CACHE).misses == 8 * MIB / 64


def test_a_part_keeps_its_whole_alive():
    size = 4096
    whole = Buffer(size, "temporary")
    buffers = (whole, Buffer(size // 2, "temporary", 0, size // 2), whole)
    steps = (Step("a", "a", (), (0,)), Step("b", "b", (), (2,)), Step("c", "c", (1, 2), ()))
    offsets = plan_arena(Dataflow(buffers, steps, "arena"))
    assert set(offsets) == {0, 2}
    assert abs(offsets[0] - offsets[2]) >= size
