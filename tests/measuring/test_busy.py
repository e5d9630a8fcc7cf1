"""A busy machine is said, once, and not averaged away."""

from dataclasses import replace

from simulation import SimulatedHost, measurement

from hwnas.measuring.busy import BusyWatch

QUIET = measurement("a", 0, SimulatedHost(0).turn(8e-3, 0.6, 0, turn_s=1.0), "g")


def _with(**interruptions):
    return [replace(QUIET, blocks=tuple(replace(b, **interruptions) for b in QUIET.blocks))]


def test_a_quiet_machine_is_not_mentioned():
    assert BusyWatch().judge([QUIET]) == ""
    assert BusyWatch().judge(_with(preemptions=0, steal_ticks=0)) == ""


def test_preemptions_are_told_once_until_they_stop():
    watch, busy = BusyWatch(), _with(preemptions=3)
    assert "busy" in watch.judge(busy)
    assert watch.judge(busy) == ""
    assert watch.judge([QUIET]) == ""
    assert "busy" in watch.judge(busy)


def test_a_few_interruptions_of_a_short_measurement_are_chance():
    """A tenth of a second with two of them: so has a quiet machine now and then."""
    (long,) = _with(preemptions=1, steal_ticks=1)
    short = replace(long, blocks=long.blocks[:2])
    assert sum(sum(b.samples_s) for b in short.blocks) < 0.2
    assert BusyWatch().judge([short]) == ""
    assert "busy" in BusyWatch().judge([long])


def test_stolen_time_is_told_apart():
    text = BusyWatch().judge(_with(steal_ticks=2))
    assert "hypervisor" in text
    assert "other processes" not in text


def test_nothing_measured_is_no_news():
    assert BusyWatch().judge([replace(QUIET, blocks=())]) == ""
