"""Buffers that live at the same time never share an address."""

from hypothesis import given
from hypothesis import strategies as st

from hwnas.cache_misses.addresses import Addresses, Heap, plan_arena
from hwnas.core.dataflow import Buffer, Dataflow, Step


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5000)), max_size=60), st.randoms(use_true_random=False))
def test_a_heap_never_gives_the_same_place_twice(requests, random):
    heap, held = Heap(1 << 20), []
    for is_release, size in requests:
        if is_release and held:
            heap.release(*held.pop(random.randrange(len(held))))
            continue
        start = heap.allocate(size)
        assert start % 64 == 0
        assert all(start + size <= s or s + z <= start for s, z in held)
        held.append((start, size))
    for start, size in held:
        heap.release(start, size)
    # All is one block again: the next request gets the bottom.
    assert heap.allocate(1) == 1 << 20


def test_a_heap_prefers_the_smallest_hole_that_fits():
    heap = Heap(0)
    places = [heap.allocate(size) for size in (1024, 64, 512, 64)]
    heap.release(places[0], 1024)
    heap.release(places[2], 512)
    assert heap.allocate(500) == places[2]
    assert heap.allocate(500) == places[0]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9999)), min_size=1, max_size=20))
def test_an_arena_keeps_the_living_apart(lives):
    steps = [Step(str(i), "x", (), ()) for i in range(10)]
    buffers = []
    for a, b, size in lives:
        first, last = min(a, b), max(a, b)
        for position in (first, last):
            old = steps[position]
            steps[position] = Step(old.name, old.type, old.reads, (*old.writes, len(buffers)))
        buffers.append(Buffer(size, "temporary"))
    offsets = plan_arena(Dataflow(tuple(buffers), tuple(steps), "arena"))
    spans = [(min(a, b), max(a, b), offsets[i], offsets[i] + size) for i, (a, b, size) in enumerate(lives)]
    for n, (first, last, low, high) in enumerate(spans):
        for other_first, other_last, other_low, other_high in spans[n + 1 :]:
            together = first <= other_last and other_first <= last
            assert not together or high <= other_low or other_high <= low


def test_a_chain_needs_two_places():
    """Each step needs its input and output alone, so two buffers take turns."""
    buffers = tuple(Buffer(4096, "temporary") for _ in range(6))
    steps = tuple(Step(str(i), "x", (i,) if i else (), (i + 1,)) for i in range(5))
    offsets = plan_arena(Dataflow(buffers, steps, "arena"))
    assert set(offsets.values()) == {0, 4096}


def test_weights_stay_and_temporaries_of_a_heap_move_on():
    buffers = (Buffer(100, "weight"), Buffer(640, "temporary"), Buffer(640, "temporary"))
    flow = Dataflow(buffers, (), "heap")
    addresses = Addresses(flow)
    weight, first = addresses.of(0), addresses.of(1)
    addresses.free(1)
    assert addresses.of(2) == first
    assert addresses.of(0) == weight
