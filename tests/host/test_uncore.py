"""Counters outside the cores, from a made-up /sys."""

from hwnas.host.uncore import amd_l3_misses, graphics_request_events, memory_controller_events

_DEVICES = "sys/bus/event_source/devices"


def test_amd_l3(tree):
    root = tree({f"{_DEVICES}/amd_l3/type": "11", f"{_DEVICES}/amd_l3/cpumask": "0,8"})
    event = amd_l3_misses(root)
    assert event is not None
    assert (event.type, event.config, event.cpus) == (11, 0x0104, (0, 8))


def test_intel_memory_controllers(tree):
    files = {}
    for name in ("uncore_imc_0", "uncore_imc_1"):
        files[f"{_DEVICES}/{name}/type"] = "14"
        files[f"{_DEVICES}/{name}/cpumask"] = "0"
        files[f"{_DEVICES}/{name}/events/data_reads"] = "event=0x1"
        files[f"{_DEVICES}/{name}/events/data_writes"] = "event=0x2,umask=0x3"
    files[f"{_DEVICES}/uncore_imc_0/events/gt_requests"] = "event=0x03"
    root = tree(files)
    events = memory_controller_events(root)
    assert [(e.name, e.config) for e in graphics_request_events(root)] == [("uncore_imc_0/gt_requests", 3)]
    assert [(e.name, e.config) for e in events] == [
        ("uncore_imc_0/data_reads", 1),
        ("uncore_imc_0/data_writes", 0x302),
        ("uncore_imc_1/data_reads", 1),
        ("uncore_imc_1/data_writes", 0x302),
    ]


def test_a_host_without_them(tree):
    root = tree({"proc/cpuinfo": ""})
    assert amd_l3_misses(root) is None
    assert memory_controller_events(root) == graphics_request_events(root) == ()
