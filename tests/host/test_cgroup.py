from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwnas.host.cgroup import cpu_limit, memory_headroom, memory_limit, read_text

V2_MOUNT = "30 24 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"""
NO_LIMIT_V1 = 9223372036854771712


def test_no_control_groups_at_all(tmp_path):
    assert cpu_limit(tmp_path) is None
    assert memory_limit(tmp_path) is None
    assert memory_headroom(tmp_path) is None


def test_v2_takes_the_smallest_limit_of_the_ancestors(tree):
    root = tree(
        {
            "proc/self/cgroup": "0::/machine/job/step",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/machine/cpu.max": "400000 100000",
            "sys/fs/cgroup/machine/job/cpu.max": "150000 100000",
            "sys/fs/cgroup/machine/job/step/cpu.max": "max 100000",
            "sys/fs/cgroup/machine/memory.max": 4 * 2**30,
            "sys/fs/cgroup/machine/job/memory.max": "max",
            "sys/fs/cgroup/machine/job/step/memory.max": 6 * 2**30,
        }
    )
    assert cpu_limit(root) == 1.5
    assert memory_limit(root) == 4 * 2**30


def test_v2_without_limits(tree):
    root = tree(
        {
            "proc/self/cgroup": "0::/user.slice",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/user.slice/cpu.max": "max 100000",
            "sys/fs/cgroup/user.slice/memory.max": "max",
        }
    )
    assert cpu_limit(root) is None
    assert memory_limit(root) is None


def test_v1_finds_each_controller_at_its_own_mount(tree):
    root = tree(
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc",
            "proc/self/mountinfo": V1_MOUNTS,
            "sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us": -1,
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": 50000,
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": 20000,
            "sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_V1,
            "sys/fs/cgroup/memory/docker/memory.limit_in_bytes": 2**31,
            "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": NO_LIMIT_V1,
        }
    )
    assert cpu_limit(root) == 2.5
    assert memory_limit(root) == 2**31


def test_v1_without_limits(tree):
    root = tree(
        {
            "proc/self/cgroup": "4:memory:/\n2:cpu,cpuacct:/",
            "proc/self/mountinfo": V1_MOUNTS,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": -1,
            "sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_V1,
        }
    )
    assert cpu_limit(root) is None
    assert memory_limit(root) is None


def test_v1_and_v2_side_by_side(tree):
    root = tree(
        {
            "proc/self/cgroup": "4:memory:/job\n0::/job",
            "proc/self/mountinfo": f"{V1_MOUNTS}\n38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
            "sys/fs/cgroup/unified/job/cpu.max": "200000 100000",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": 2**30,
        }
    )
    assert cpu_limit(root) == 2.0
    assert memory_limit(root) == 2**30


@pytest.mark.parametrize(
    ("path", "mount_root"),
    [("/docker/abc", "/docker/abc"), ("/../other", "/"), ("/elsewhere", "/docker/abc")],
)
def test_container_whose_mount_shows_only_its_own_group(tree, path, mount_root):
    root = tree(
        {
            "proc/self/cgroup": f"0::{path}",
            "proc/self/mountinfo": V2_MOUNT.replace(" / /sys", f" {mount_root} /sys"),
            "sys/fs/cgroup/memory.max": 2**29,
        }
    )
    assert memory_limit(root) == 2**29


@pytest.mark.parametrize(
    ("current", "key", "expected"),
    [(700, "inactive_file", 500), (5000, "inactive_file", 0), (100, "file", 900)],
)
def test_headroom_counts_inactive_file_cache_as_free(tree, current, key, expected):
    root = tree(
        {
            "proc/self/cgroup": "0::/job",
            "proc/self/mountinfo": V2_MOUNT,
            "sys/fs/cgroup/job/memory.max": 1000,
            "sys/fs/cgroup/job/memory.current": current,
            "sys/fs/cgroup/job/memory.stat": f"anon 10\n{key} 200",
        }
    )
    assert memory_headroom(root) == expected


def test_headroom_v1_takes_the_fullest_ancestor(tree):
    root = tree(
        {
            "proc/self/cgroup": "4:memory:/outer/inner",
            "proc/self/mountinfo": V1_MOUNTS,
            "sys/fs/cgroup/memory/outer/memory.limit_in_bytes": 3000,
            "sys/fs/cgroup/memory/outer/memory.usage_in_bytes": 2900,
            "sys/fs/cgroup/memory/outer/memory.stat": "inactive_file 0\ntotal_inactive_file 100",
            "sys/fs/cgroup/memory/outer/inner/memory.limit_in_bytes": 1000,
            "sys/fs/cgroup/memory/outer/inner/memory.usage_in_bytes": 100,
        }
    )
    assert memory_headroom(root) == 200


@settings(max_examples=25)
@given(st.lists(st.none() | st.integers(1000, 10**7), min_size=1, max_size=4))
def test_the_limit_is_the_minimum_along_the_path(quotas):
    with tempfile.TemporaryDirectory() as folder:
        group = Path(folder) / "sys/fs/cgroup"
        for quota in quotas:
            group = group / "sub"
            group.mkdir(parents=True)
            (group / "cpu.max").write_text(f"{'max' if quota is None else quota} 100000\n")
        process = Path(folder) / "proc/self"
        process.mkdir(parents=True)
        (process / "cgroup").write_text(f"0::{'/sub' * len(quotas)}\n")
        (process / "mountinfo").write_text(f"{V2_MOUNT}\n")
        expected = min((q / 100_000 for q in quotas if q is not None), default=None)
        assert cpu_limit(Path(folder)) == expected


def test_read_text_strips_the_terminator_of_device_tree_strings(tmp_path):
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4\0")
    assert read_text(tmp_path / "model") == "Raspberry Pi 4"
    assert read_text(tmp_path / "none") is None
