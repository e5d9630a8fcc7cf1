"""Describes this machine: what is needed to say which measurements it may be compared with."""

from __future__ import annotations

import platform
import shlex
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from hwnas.core.environment import Cache, Environment
from hwnas.core.measurement import PROTOCOL_VERSION
from hwnas.core.units import parse_bytes
from hwnas.host.cgroup import cpu_limit, memory_limit, read_text
from hwnas.host.cpus import cpu_list
from hwnas.host.memory import total_memory_bytes

#: Instruction sets that the kernels of inference runtimes choose between, oldest first; the
#: names are the kernel's (x86 "flags", ARM "Features").
_INSTRUCTION_SETS = (
    *("sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx_vnni_int8", "avx512f", "avx512bw"),
    *("avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16"),
    *("neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)

#: /proc/cpuinfo of ARM gives numbers only (MIDR part numbers of implementer 0x41).
_ARM_CORES = {
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd49": "Neoverse-N2",
    "0xd4f": "Neoverse-V2",
}

#: What firmware calls a virtual machine, and what people call it; the first match wins.
_FIRMWARE_NAMES = {
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "parallels": "parallels",
    "hvm domu": "xen",
    "microsoft corporation virtual machine": "hyper-v",
    "google compute engine": "kvm",
    "amazon ec2": "kvm",
    "openstack": "kvm",
    "kvm": "kvm",
    "qemu": "qemu",
    "bochs": "bochs",
}

#: Clock sources that only a guest of this hypervisor is offered.
_GUEST_CLOCKS = {"kvm-clock": "kvm", "hyperv": "hyper-v", "xen": "xen"}

#: Files that container runtimes put into their containers.
_CONTAINER_MARKERS = {
    ".dockerenv": "docker",
    "run/.containerenv": "podman",
    "var/run/secrets/kubernetes.io": "kubernetes",
}

_PACKAGES = ("torch", "torchvision", "openvino", "timm", "numpy", "hwnas")


def probe_environment(root: Path = Path("/")) -> Environment:
    """Describe the machine as far as this process may use it.

    Args:
        root: Where /proc, /sys and /etc are looked for.
    """
    cpus = _usable_cpus(root)
    processors = _processors(cpus, root)
    memory_bytes = total_memory_bytes(root)
    cgroup_cpus, cgroup_memory_bytes = cpu_limit(root), memory_limit(root)
    # A limit beyond what the machine has limits nothing, and must not make it a different one.
    if cgroup_cpus is not None and cgroup_cpus >= len(cpus):
        cgroup_cpus = None
    if cgroup_memory_bytes is not None and cgroup_memory_bytes >= memory_bytes:
        cgroup_memory_bytes = None
    return Environment(
        cpu_model=_cpu_model(processors, root),
        architecture=read_text(root / "proc/sys/kernel/arch") or platform.machine(),
        logical_cpus=len(cpus),
        memory_bytes=memory_bytes,
        caches=_caches(cpus, root),
        instruction_sets=_instruction_sets(processors),
        cgroup_cpus=cgroup_cpus,
        cgroup_memory_bytes=cgroup_memory_bytes,
        governor=_governor(cpus, root),
        virtualisation=_virtualisation(processors, root),
        operating_system=_operating_system(root),
        kernel=read_text(root / "proc/sys/kernel/osrelease") or platform.release(),
        versions=_versions(),
    )


def _usable_cpus(root: Path) -> list[int]:
    """Logical CPUs this process may run on: its affinity without those that are offline."""
    status = (read_text(root / "proc/self/status") or "").splitlines()
    allowed = next((line.split()[1] for line in status if line.startswith("Cpus_allowed_list:")), None)
    if allowed is None:
        return list(range(psutil.cpu_count() or 1))
    online = read_text(root / "sys/devices/system/cpu/online")
    return sorted(cpu_list(allowed) & cpu_list(online or allowed))


def _processors(cpus: list[int], root: Path) -> list[dict[str, str]]:
    """The entries of /proc/cpuinfo for `cpus`."""
    entries = []
    for block in (read_text(root / "proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        entry = {key.strip(): value.strip() for key, _, value in pairs}
        if entry.get("processor", "").isdigit() and int(entry["processor"]) in cpus:
            entries.append(entry)
    return entries


def _cpu_model(processors: list[dict[str, str]], root: Path) -> str:
    """The CPU's name; on ARM the kinds of cores and the board, since there is no other name."""
    names = sorted({" ".join(p["model name"].split()) for p in processors if "model name" in p})
    if not names:
        parts = {(p["CPU implementer"], p["CPU part"]) for p in processors if "CPU part" in p}
        names = sorted(
            (_ARM_CORES.get(part) if implementer == "0x41" else None) or f"ARM {implementer}:{part}"
            for implementer, part in parts
        )
    board = read_text(root / "sys/firmware/devicetree/base/model")
    if names:
        return " + ".join(names) + (f" ({board})" if board else "")
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.stdout.strip():
            return answer.stdout.strip()
    return board or platform.processor() or platform.machine() or "unknown"


def _flags(processor: dict[str, str]) -> set[str]:
    return set((processor.get("flags") or processor.get("Features") or "").split())


def _instruction_sets(processors: list[dict[str, str]]) -> tuple[str, ...]:
    """Those that every usable CPU has: cores of one machine may differ."""
    common = set.intersection(*map(_flags, processors)) if processors else set()
    return tuple(name for name in _INSTRUCTION_SETS if name in common)


def _caches(cpus: list[int], root: Path) -> tuple[Cache, ...]:
    """One entry for each level and type, the largest where cores differ."""
    largest: dict[tuple[int, str], Cache] = {}
    for cpu in cpus:
        for index in (root / f"sys/devices/system/cpu/cpu{cpu}/cache").glob("index*"):
            level, kind, size = (read_text(index / name) for name in ("level", "type", "size"))
            if not (level and kind and size):
                continue
            cache = Cache(
                level=int(level),
                type=kind,
                size_bytes=parse_bytes(size),
                ways=int(read_text(index / "ways_of_associativity") or 0) or None,
                line_bytes=int(read_text(index / "coherency_line_size") or 0) or None,
                shared_by=len(cpu_list(read_text(index / "shared_cpu_list") or str(cpu))),
            )
            known = largest.setdefault((cache.level, kind), cache)
            if cache.size_bytes > known.size_bytes:
                largest[cache.level, kind] = cache
    return tuple(largest[key] for key in sorted(largest))


def _governor(cpus: list[int], root: Path) -> str | None:
    """The frequency governor, several joined by ``+``, or None where the host does not tell."""
    paths = (root / f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor" for cpu in cpus)
    return " + ".join(sorted({name for name in map(read_text, paths) if name})) or None


def _hypervisor(processors: list[dict[str, str]], root: Path) -> str | None:
    """The hypervisor below this kernel, or None on real hardware."""
    if "microsoft" in (read_text(root / "proc/sys/kernel/osrelease") or "").lower():
        return "wsl"
    if kind := read_text(root / "sys/hypervisor/type"):
        return kind
    is_x86 = any("flags" in p for p in processors)
    # An x86 CPU says whether it is virtual. Firmware alone would also name a cloud's bare-metal machines.
    if is_x86 and not any("hypervisor" in _flags(p) for p in processors):
        return None
    clocks = read_text(root / "sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
    for text, name in _GUEST_CLOCKS.items():
        if text in clocks:
            return name
    firmware = " ".join(
        read_text(root / "sys/class/dmi/id" / name) or "" for name in ("sys_vendor", "product_name")
    ).lower()
    if ".metal" not in firmware:
        for text, name in _FIRMWARE_NAMES.items():
            if text in firmware:
                return name
    guest_tree = read_text(root / "sys/firmware/devicetree/base/hypervisor/compatible")
    if guest_tree:
        return guest_tree.removeprefix("linux,")
    return "virtual machine" if is_x86 else None


def _container(root: Path) -> str | None:
    """The container runtime around this process, or None outside a container."""
    for marker, name in _CONTAINER_MARKERS.items():
        if (root / marker).exists():
            return name
    if told := read_text(root / "run/systemd/container"):
        return told
    groups = read_text(root / "proc/self/cgroup") or ""
    return next((kind for kind in ("kubepods", "docker", "libpod", "lxc") if f"/{kind}" in groups), None)


def _virtualisation(processors: list[dict[str, str]], root: Path) -> str | None:
    """Hypervisor and container, for example ``kvm + docker``, or None on a plain machine."""
    layers = (_hypervisor(processors, root), _container(root))
    return " + ".join(layer for layer in layers if layer) or None


def _operating_system(root: Path) -> str:
    for line in (read_text(root / "etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return " ".join(shlex.split(line.removeprefix("PRETTY_NAME=")))
    return platform.system()


def _versions() -> dict[str, str]:
    """Versions of what takes part in a measurement; a package that is not installed is left out."""
    versions = {"python": platform.python_version(), "protocol": PROTOCOL_VERSION}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
