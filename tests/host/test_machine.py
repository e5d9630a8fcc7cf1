from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import replace

import pytest

from hwnas.core.environment import Cache, Environment
from hwnas.core.measurement import PROTOCOL_VERSION
from hwnas.host.machine import probe_environment

DMI_VENDOR = "sys/class/dmi/id/sys_vendor"
DMI_PRODUCT = "sys/class/dmi/id/product_name"


def cpuinfo(count: int, fields: str) -> str:
    return "\n\n".join(f"processor\t: {cpu}\n{fields}" for cpu in range(count))


def cache(
    cpu: int, index: int, level: int, kind: str, size: str, ways: int = 8, shared: str = ""
) -> dict[str, object]:
    folder = f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
    return {
        f"{folder}/level": level,
        f"{folder}/type": kind,
        f"{folder}/size": size,
        f"{folder}/ways_of_associativity": ways,
        f"{folder}/coherency_line_size": 64,
        f"{folder}/shared_cpu_list": shared or cpu,
    }


def intel_desktop() -> dict[str, object]:
    files: dict[str, object] = {
        "proc/cpuinfo": cpuinfo(
            8,
            "model name\t: Intel(R) Core(TM) i7-7700   CPU @ 3.60GHz\nflags\t\t: fpu sse4_2 avx fma avx2 f16c",
        ),
        "proc/meminfo": "MemTotal:       16287544 kB",
        "proc/self/status": "Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7",
        "proc/sys/kernel/arch": "x86_64",
        "proc/sys/kernel/osrelease": "6.8.0-45-generic",
        "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.1 LTS"',
        DMI_VENDOR: "Dell Inc.",
        DMI_PRODUCT: "OptiPlex 7050",
        "sys/devices/system/cpu/online": "0-7",
        "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm",
    }
    for cpu in range(8):
        files |= {f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor": "powersave"}
        files |= cache(cpu, 0, 1, "Data", "32K", shared=f"{cpu % 4},{cpu % 4 + 4}")
        files |= cache(cpu, 1, 1, "Instruction", "32K", shared=f"{cpu % 4},{cpu % 4 + 4}")
        files |= cache(cpu, 2, 2, "Unified", "256K", ways=4, shared=f"{cpu % 4},{cpu % 4 + 4}")
        files |= cache(cpu, 3, 3, "Unified", "8192K", ways=16, shared="0-7")
    return files


def amd_guest() -> dict[str, object]:
    return {
        "proc/cpuinfo": cpuinfo(
            2, "model name\t: AMD EPYC\nflags\t\t: avx2 hypervisor fma avx avx512_vnni avx512f"
        ),
        "proc/meminfo": "MemTotal:        8000000 kB",
        "proc/self/status": "Cpus_allowed_list:\t0-127",
        "sys/devices/system/cpu/online": "0-1",
    }


ARM_FIELDS = "CPU implementer\t: 0x41\nCPU part\t: {}\nFeatures\t: fp asimd {}crc32"


def test_intel_desktop(tree):
    found = probe_environment(tree(intel_desktop()))
    assert replace(found, versions={}) == Environment(
        cpu_model="Intel(R) Core(TM) i7-7700 CPU @ 3.60GHz",
        architecture="x86_64",
        logical_cpus=8,
        memory_bytes=16287544 * 1024,
        caches=(
            Cache(1, "Data", 32 * 2**10, 8, 64, 2),
            Cache(1, "Instruction", 32 * 2**10, 8, 64, 2),
            Cache(2, "Unified", 256 * 2**10, 4, 64, 2),
            Cache(3, "Unified", 8 * 2**20, 16, 64, 8),
        ),
        instruction_sets=("sse4_2", "avx", "f16c", "fma", "avx2"),
        governor="powersave",
        virtualisation=None,
        operating_system="Ubuntu 24.04.1 LTS",
        kernel="6.8.0-45-generic",
    )


def test_only_usable_cpus_are_described(tree):
    files = intel_desktop() | {"proc/self/status": "Cpus_allowed_list:\t2,6"}
    for cpu in (0, 1):
        files |= {f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor": "performance"}
        files |= cache(cpu, 2, 2, "Unified", "2048K")
    found = probe_environment(tree(files))
    assert found.logical_cpus == 2
    assert found.governor == "powersave"
    assert [c.size_bytes for c in found.caches if c.level == 2] == [256 * 2**10]


def test_cores_that_differ(tree):
    files = intel_desktop() | cache(5, 2, 2, "Unified", "4M", ways=16, shared="4-7")
    files["proc/cpuinfo"] = str(files["proc/cpuinfo"]).replace("avx2 f16c", "avx2 avx512f", 1)
    files |= {"sys/devices/system/cpu/cpu5/cpufreq/scaling_governor": "performance"}
    found = probe_environment(tree(files))
    assert Cache(2, "Unified", 4 * 2**20, 16, 64, 4) in found.caches
    assert "avx512f" not in found.instruction_sets, "one core alone has it"
    assert "f16c" not in found.instruction_sets, "one core lacks it"
    assert found.governor == "performance + powersave"


def test_amd_guest(tree):
    found = probe_environment(tree(amd_guest()))
    assert found.cpu_model == "AMD EPYC"
    assert found.logical_cpus == 2, "the affinity names CPUs that do not exist"
    assert found.instruction_sets == ("avx", "fma", "avx2", "avx512f", "avx512_vnni")
    assert found.virtualisation == "virtual machine"
    assert found.governor is None
    assert found.caches == ()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc kvm-clock acpi_pm"}, "kvm"),
        ({DMI_PRODUCT: "VMware Virtual Platform"}, "vmware"),
        ({DMI_VENDOR: "Microsoft Corporation", DMI_PRODUCT: "Virtual Machine"}, "hyper-v"),
        ({DMI_VENDOR: "Amazon EC2", DMI_PRODUCT: "m5.large"}, "kvm"),
        ({"sys/hypervisor/type": "xen"}, "xen"),
        ({"proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2"}, "wsl"),
        ({".dockerenv": ""}, "virtual machine + docker"),
        ({"run/.containerenv": ""}, "virtual machine + podman"),
        ({"run/systemd/container": "systemd-nspawn"}, "virtual machine + systemd-nspawn"),
        ({"proc/self/cgroup": "0::/kubepods.slice/pod1"}, "virtual machine + kubepods"),
    ],
)
def test_kinds_of_virtualisation(tree, files, expected):
    assert probe_environment(tree(amd_guest() | files)).virtualisation == expected


def test_firmware_of_a_bare_metal_instance_is_no_hypervisor(tree):
    files = {DMI_VENDOR: "Amazon EC2", DMI_PRODUCT: "m5.metal"}
    assert probe_environment(tree(intel_desktop() | files)).virtualisation is None


def test_raspberry_pi(tree):
    root = tree(
        {
            "proc/cpuinfo": cpuinfo(4, ARM_FIELDS.format("0xd08", ""))
            + "\n\nModel\t: Raspberry Pi 4 Model B Rev 1.4",
            "proc/sys/kernel/arch": "aarch64",
            "proc/self/status": "Cpus_allowed_list:\t0-3",
            "sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        }
    )
    found = probe_environment(root)
    assert found.cpu_model == "Cortex-A72 (Raspberry Pi 4 Model B Rev 1.4)"
    assert found.architecture == "aarch64"
    assert found.instruction_sets == ("asimd",)
    assert found.virtualisation is None


def test_arm_with_two_kinds_of_cores_and_an_unknown_one(tree):
    blocks = [
        f"processor : {i}\n{ARM_FIELDS.format(part, 'asimddp ')}"
        for i, part in enumerate(("0xd05", "0xd0b", "0xfff"))
    ]
    root = tree({"proc/cpuinfo": "\n\n".join(blocks), "proc/self/status": "Cpus_allowed_list:\t0-2"})
    found = probe_environment(root)
    assert found.cpu_model == "ARM 0x41:0xfff + Cortex-A55 + Cortex-A76"
    assert found.instruction_sets == ("asimd", "asimddp")


@pytest.mark.parametrize(
    "files",
    [
        {"sys/firmware/devicetree/base/hypervisor/compatible": "linux,kvm"},
        {DMI_VENDOR: "QEMU", DMI_PRODUCT: "KVM Virtual Machine"},
    ],
)
def test_arm_guest(tree, files):
    arm = {
        "proc/cpuinfo": cpuinfo(1, ARM_FIELDS.format("0xd0c", "")),
        "proc/self/status": "Cpus_allowed_list:\t0",
    }
    assert probe_environment(tree(arm | files)).virtualisation == "kvm"


V2 = {
    "proc/self/cgroup": "0::/job",
    "proc/self/mountinfo": "30 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
    "sys/fs/cgroup/job/cpu.max": "150000 100000",
    "sys/fs/cgroup/job/memory.max": 2**30,
}
V1 = {
    "proc/self/cgroup": "4:memory:/job\n2:cpu,cpuacct:/job",
    "proc/self/mountinfo": "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": 150000,
    "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": 100000,
    "sys/fs/cgroup/memory/job/memory.limit_in_bytes": 2**30,
}


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
def test_container_limits(tree, files):
    found = probe_environment(tree(amd_guest() | files))
    assert found.cgroup_cpus == 1.5
    assert found.cgroup_memory_bytes == 2**30


def test_limits_beyond_the_machine_limit_nothing(tree):
    loose = {"sys/fs/cgroup/job/cpu.max": "200000 100000", "sys/fs/cgroup/job/memory.max": 2**40}
    free = probe_environment(tree(amd_guest()))
    found = probe_environment(tree(amd_guest() | V2 | loose))
    assert (found.cgroup_cpus, found.cgroup_memory_bytes) == (None, None)
    assert found.fingerprint == free.fingerprint


def test_versions_come_from_metadata(tmp_path):
    versions = probe_environment(tmp_path).versions
    for package in ("torch", "openvino", "numpy", "hwnas"):
        assert versions[package] == importlib.metadata.version(package)
    assert versions["python"] == platform.python_version()
    assert versions["protocol"] == PROTOCOL_VERSION


def test_a_package_that_is_missing_is_left_out(tmp_path, monkeypatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("hwnas.host.machine.version", missing)
    assert set(probe_environment(tmp_path).versions) == {"python", "protocol"}


def test_a_system_without_proc_and_sys(tmp_path):
    found = probe_environment(tmp_path)
    assert found.cpu_model
    assert found.logical_cpus >= 1
    assert found.memory_bytes > 0
    assert (found.caches, found.governor, found.virtualisation) == ((), None, None)


def test_this_machine_gives_the_same_answer_twice():
    first, second = probe_environment(), probe_environment()
    assert first == second
    assert Environment.from_dict(first.to_dict()).fingerprint == first.fingerprint
