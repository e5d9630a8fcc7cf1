"""Which changes of a host make measurements incomparable."""

from dataclasses import replace

import pytest

from hwnas.core.environment import Cache, Environment

HOST = Environment(
    cpu_model="Some CPU",
    architecture="x86_64",
    logical_cpus=4,
    memory_bytes=16 * 2**30,
    caches=(
        Cache(1, "Instruction", 2**15, 8, 64, 1),
        Cache(1, "Data", 2**15, 8, 64, 1),
        Cache(3, "Unified", 2**22, 16, 64, 4),
    ),
    versions={
        "torch": "2.0",
        "openvino": "2026.0",
        "protocol": "1",
        "numpy": "2.0",
        "python": "3.11.4",
        "timm": "1.0",
    },
    kernel="6.1",
)


@pytest.mark.parametrize(
    "change",
    [
        {"cpu_model": "Other"},
        {"logical_cpus": 2},
        {"cgroup_cpus": 1.5},
        {"governor": "powersave"},
        {"virtualisation": "kvm"},
        {"memory_bytes": 8 * 2**30},
        {"versions": {**HOST.versions, "torch": "2.1"}},
        {"versions": {**HOST.versions, "openvino": "2026.1"}},
        {"versions": {**HOST.versions, "protocol": "2"}},
        {"versions": {**HOST.versions, "numpy": "2.1"}},
        {"versions": {**HOST.versions, "python": "3.12.4"}},
    ],
)
def test_what_changes_a_latency_changes_the_fingerprint(change):
    assert replace(HOST, **change).fingerprint != HOST.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": "6.2"},
        {"operating_system": "Debian"},
        {"memory_bytes": HOST.memory_bytes - 10_000_000},
        {"versions": {**HOST.versions, "python": "3.11.5"}},
        {"versions": {**HOST.versions, "timm": "1.1"}},
    ],
)
def test_what_does_not_leaves_it(change):
    assert replace(HOST, **change).fingerprint == HOST.fingerprint


def test_round_trips_through_json():
    import json

    assert Environment.from_dict(json.loads(json.dumps(HOST.to_dict()))) == HOST


def test_last_level_cache():
    assert HOST.last_level_cache == HOST.caches[2]
    assert replace(HOST, caches=()).last_level_cache is None
