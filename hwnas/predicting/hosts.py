"""How the host of a predictor differs from another, and when the two are of one class."""

from __future__ import annotations

from typing import Any

from hwnas.core.environment import Environment

#: The instruction sets that decide which kernels a runtime has, the widest first.
_VECTORS = ("avx512f", "avx2", "avx", "sse4_2", "sve", "asimd", "neon")


def difference(theirs: Environment, here: Environment) -> str:
    """How the host that something was made on differs from this one; empty where it does not.

    Args:
        theirs: Where it was made.
        here: This one.

    Returns:
        What follows "it was".
    """
    if theirs.fingerprint == here.fingerprint:
        return ""
    if theirs.cpu_model != here.cpu_model:
        return (
            f"made on another host, {theirs.cpu_model} ({theirs.fingerprint}), not on {here.cpu_model} "
            f"({here.fingerprint})"
        )
    return (
        f"made on another host, {theirs.cpu_model} ({theirs.fingerprint}), which is like this one "
        f"({here.fingerprint}) but for its {', '.join(_different(theirs, here))}"
    )


def vectors(environment: Environment) -> str:
    """The widest vector instructions that a host has; empty where it tells none."""
    return next((name for name in _VECTORS if name in environment.instruction_sets), "")


def alike(one: Environment, other: Environment) -> bool:
    """Whether two hosts are of one class: runtimes choose their kernels from the same ones on both."""
    return one.architecture == other.architecture and vectors(one) == vectors(other)


def _different(theirs: Environment, here: Environment) -> list[str]:
    """What differs between two hosts of the same processor, a phrase each."""
    mine, others = _compared(here), _compared(theirs)
    found = [
        name.replace("_bytes", "").replace("_", " ")
        for name in mine
        if name not in ("versions", "operating_system", "kernel") and mine[name] != others[name]
    ]
    versions = {**others["versions"], **mine["versions"]}
    return found + [
        f"{name} {theirs.versions.get(name, 'missing')} (here {here.versions.get(name, 'missing')})"
        for name in sorted(versions)
        if theirs.versions.get(name) != here.versions.get(name)
    ]


def _compared(environment: Environment) -> dict[str, Any]:
    """Facts, memory in whole GiB, as fingerprints tell it: the rest varies from boot to boot."""
    return {**environment.to_dict(), "memory_bytes": round(environment.memory_bytes / 2**30)}
