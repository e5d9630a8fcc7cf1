"""The machine and the software that a measurement is true for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from hwnas.core.workload import canonical_json


@dataclass(frozen=True)
class Cache:
    """One cache level as the operating system describes it.

    Sizes are in bytes; `ways` is the associativity; `shared_by` counts logical CPUs.
    """

    level: int
    type: str
    size_bytes: int
    ways: int | None
    line_bytes: int | None
    shared_by: int


@dataclass(frozen=True)
class Environment:
    """Hardware, limits and versions of one host.

    `fingerprint` covers what changes a latency: CPU, caches, CPU and memory limits,
    governor, virtualisation and the versions of what runs: the runtimes, and NumPy and
    Python, which the canary is made of. Host names stay out, so that
    equal machines share their measurements and a shipped table says nothing of its owner.
    A limit that is not set, or a value the host does not tell, is ``None``.
    """

    cpu_model: str
    architecture: str
    logical_cpus: int
    memory_bytes: int
    caches: tuple[Cache, ...] = ()
    instruction_sets: tuple[str, ...] = ()
    cgroup_cpus: float | None = None
    cgroup_memory_bytes: int | None = None
    governor: str | None = None
    virtualisation: str | None = None
    operating_system: str = ""
    kernel: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    #: Described, but not part of the identity: they change with every security update.
    _DESCRIPTIVE = ("operating_system", "kernel")
    #: The packages whose version changes what is measured.
    _IDENTIFYING_VERSIONS = ("torch", "openvino", "numpy", "protocol")

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @cached_property
    def fingerprint(self) -> str:
        """12 hexadecimal digits: measurements are comparable only within one fingerprint."""
        data = self.to_dict()
        for name in self._DESCRIPTIVE:
            del data[name]
        # The kernel keeps a little memory to itself, and how much varies from boot to boot.
        data["memory_bytes"] = round(self.memory_bytes / 2**30)
        data["versions"] = {k: v for k, v in self.versions.items() if k in self._IDENTIFYING_VERSIONS}
        if "python" in self.versions:
            # The interpreter becomes faster from 3.11 to 3.12, not from 3.11.4 to 3.11.5.
            data["versions"]["python"] = ".".join(self.versions["python"].split(".")[:2])
        return hashlib.sha256(canonical_json(data).encode()).hexdigest()[:12]

    @property
    def last_level_cache(self) -> Cache | None:
        """The largest data or unified cache of the highest level, or None where unknown."""
        data = [c for c in self.caches if c.type != "Instruction"]
        return max(data, key=lambda c: (c.level, c.size_bytes), default=None)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; :meth:`from_dict` gives the environment back."""
        data = asdict(self)
        data["caches"] = [asdict(c) for c in self.caches]
        data["instruction_sets"] = list(self.instruction_sets)
        data["versions"] = dict(sorted(self.versions.items()))
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Environment:
        """Rebuild from :meth:`to_dict`."""
        values = dict(data)
        values["caches"] = tuple(Cache(**c) for c in values.get("caches", ()))
        values["instruction_sets"] = tuple(values.get("instruction_sets", ()))
        return cls(**values)
