"""What is different here from the study's own set-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwnas.core.units import format_bytes
from hwnas.report.cells import Cell, Selection
from hwnas.report.claims.studied import PAPER_ERA
from hwnas.report.context import host, omissions, threads
from hwnas.report.order import image

_NOT_STATED = "not stated"
_PAPER_CPU = "Intel Core i5-7600K"
#: The study does not give versions; those of its time.
_ERA = "of early 2021"
#: What tells generations of x86 processors apart, the widest first.
_VECTORS = ("avx512f", "avx2", "avx")
_DEFAULT_HEAP = "torch-default-heap:cpu:fp32"


@dataclass(frozen=True)
class Difference:
    """One line of the comparison of set-ups.

    Args:
        what: What is compared.
        paper: In the study.
        here: On this host; None where it is not known or was not measured.
        reason: Why it is None, else empty.
    """

    what: str
    paper: str
    here: str | None
    reason: str = ""


def differences(selection: Selection) -> list[Difference]:
    """The study's set-up beside this one."""
    e = selection.environment
    measured = [c for c in selection.cells if c.estimate]
    vectors = next((v for v in _VECTORS if v in e.instruction_sets), None)
    cache = e.last_level_cache
    return [
        Difference("CPU", f"{_PAPER_CPU}, 3.8 GHz", host(selection)),
        Difference("vector instructions", "AVX2", vectors.upper() if vectors else None, "not recorded"),
        Difference(
            "last-level cache",
            "4 MB",
            format_bytes(cache.size_bytes) + (f", {cache.ways} ways" if cache.ways else "") if cache else None,
            "the host does not tell",
        ),
        _gpu(selection.cells),
        _version("native framework", "PyTorch", "torch", selection),
        _onednn(selection, measured),
        _heap(measured),
        _version("acceleration", "OpenVINO", "openvino", selection),
        Difference("threads", _NOT_STATED, threads(measured) if measured else None, "nothing was measured"),
        Difference("input of the patterns", _NOT_STATED, _inputs(measured), "no pattern was measured"),
    ]


def _version(what: str, product: str, package: str, selection: Selection) -> Difference:
    version = selection.environment.versions.get(package)
    here = f"{product} {version}" if version else None
    return Difference(what, f"{product} {_ERA}, version {_NOT_STATED}", here, "not recorded")


def _onednn(selection: Selection, measured: Sequence[Cell]) -> Difference:
    """The library behind PyTorch's convolutions: its progress changes what is gained over PyTorch.

    Source: the study's section 2.3, on what its PyTorch gave to it.
    """
    what = "oneDNN in PyTorch"
    paper = f"{_ERA}, version {_NOT_STATED}; dilated convolutions ran outside it"
    version = selection.environment.versions.get("torch")
    if version is None:
        return Difference(what, paper, None, "not recorded")
    there = "" if any(c.backend == PAPER_ERA for c in measured) else ", and was not measured here"
    return Difference(
        what,
        paper,
        f"as PyTorch {version} has it: dilated convolutions run in it as well. {PAPER_ERA} is the arm that "
        f"runs them outside{there}",
    )


def _heap(measured: Sequence[Cell]) -> Difference:
    """What PyTorch's processes do with freed memory, which decides whether calls take page faults."""
    what = "PyTorch's heap"
    known = [c for c in measured if c.backend.startswith("torch") and c.heap is not None]
    settings = dict.fromkeys(", ".join(f"{k}={v}" for k, v in c.heap.items()) for c in known if c.heap)
    if not known:
        return Difference(what, _NOT_STATED, None, "no arm of PyTorch tells")
    if not settings:
        return Difference(what, _NOT_STATED, "the C library's defaults")
    there = "" if any(c.backend == _DEFAULT_HEAP for c in known) else ", and was not measured here"
    return Difference(
        what,
        _NOT_STATED,
        f"tuned so that freed memory stays in the process ({'; '.join(settings)}): see docs/protocol.md. "
        f"{_DEFAULT_HEAP} is the arm with the defaults{there}",
    )


def in_short(selection: Selection) -> str:
    """The differences that matter most, as a sentence."""
    known = selection.environment.versions
    runtimes = [f"{p} {known[k]}" for p, k in (("PyTorch", "torch"), ("OpenVINO", "openvino")) if k in known]
    measured = [c for c in selection.cells if c.estimate]
    parts = [
        f"{host(selection)} instead of an {_PAPER_CPU}",
        *([f"{' and '.join(runtimes)} instead of versions {_ERA}"] if runtimes else []),
        *([f"{threads(measured)}, where the study does not say how many"] if measured else []),
    ]
    return f"{'; '.join(parts)}."


def _gpu(cells: Sequence[Cell]) -> Difference:
    paper = "Intel HD Graphics 630, FP16"
    own = [c for c in cells if c.backend.split(":")[1:2] == ["gpu"]]
    arms = list(dict.fromkeys(c.backend for c in own if c.estimate))
    if arms:
        return Difference("integrated GPU", paper, ", ".join(arms))
    why = "; ".join(dict.fromkeys(o.reason or str(o.status) for o in omissions(own)))
    return Difference("integrated GPU", paper, None, why or "no campaign asked for it")


def _inputs(cells: Sequence[Cell]) -> str | None:
    found = dict.fromkeys(image(c.workload) for c in cells if c.workload.kind == "pattern")
    return ", ".join(found) or None
