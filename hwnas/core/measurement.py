"""One pass of one workload on one backend: raw samples and all that belongs to them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from hwnas.core.counter import Counter
from hwnas.core.kernel import Kernel
from hwnas.core.workload import Workload

#: Raised when samples taken before and after a change must not be compared.
PROTOCOL_VERSION = "3"

#: Campaigns that were measured for a predictor to learn from, and for a search to decide by.
TRAINING_CAMPAIGN = "fit"
SEARCH_CAMPAIGN = "search"
#: Reports leave these campaigns out unless they are named.
UNREPORTED_CAMPAIGNS = (TRAINING_CAMPAIGN, SEARCH_CAMPAIGN)


class Status(StrEnum):
    """What became of a cell."""

    OK = "ok"
    FAILED = "failed"  #: it was tried; `reason` says what happened
    SKIPPED = "skipped"  #: the backend is not available on this host
    REFUSED = "refused"  #: it would not fit into memory, so it was not started


@dataclass(frozen=True)
class Block:
    """A short run of consecutive timed calls of one arm, between two canary readings.

    Args:
        round: Arms that ran in the same round of interleaving share this number.
        start_s: Start of the first timed call [s], on a clock shared by the group's arms.
        samples_s: Duration of one inference [s], one value a sample.
        canary_before_s: Durations of the canary kernels [s] just before, by name.
        canary_after_s: Durations of the canary kernels [s] just after, by name.
        steal_ticks: Clock ticks that the hypervisor took from this machine during the block,
            or None where the host does not tell.
        preemptions: How often the operating system took the CPU from the process during the block.
    """

    round: int
    start_s: float
    samples_s: tuple[float, ...]
    canary_before_s: Mapping[str, float] = field(default_factory=dict)
    canary_after_s: Mapping[str, float] = field(default_factory=dict)
    steal_ticks: int | None = None
    preemptions: int | None = None

    @property
    def median_s(self) -> float:
        """Median duration of one inference in this block [s]."""
        return statistics.median(self.samples_s)


def encode_blocks(blocks: Sequence[Block]) -> dict[str, Any]:
    """Blocks as compact JSON: columns of integers, durations in ns, starts in µs.

    A canary reading stands between two blocks and is written once.
    """
    kernels = sorted({name for b in blocks for name in (*b.canary_before_s, *b.canary_after_s)})
    rows: list[list[Any]] = []
    for block, following in zip_longest(blocks, blocks[1:]):
        shared = following is not None and following.canary_before_s == block.canary_after_s
        rows.append(
            [
                block.round,
                round(block.start_s * 1e6),
                [_ns(s) for s in block.samples_s],
                _encode_canary(block.canary_before_s, kernels),
                0 if shared else _encode_canary(block.canary_after_s, kernels),
                block.steal_ticks,
                block.preemptions,
            ]
        )
    return {"kernels": kernels, "rows": rows}


def decode_blocks(data: Mapping[str, Any]) -> tuple[Block, ...]:
    """The blocks that :func:`encode_blocks` wrote, to the clock's nanosecond."""
    kernels, rows = data["kernels"], data["rows"]
    blocks = []
    for i, (round_, start_us, samples, before, after, steal, preemptions) in enumerate(rows):
        reading = rows[i + 1][3] if after == 0 else after
        blocks.append(
            Block(
                round_,
                start_us / 1e6,
                tuple(s / 1e9 for s in samples),
                _decode_canary(before, kernels),
                _decode_canary(reading, kernels),
                steal,
                preemptions,
            )
        )
    return tuple(blocks)


def _ns(value_s: float) -> int | None:
    return round(value_s * 1e9) if math.isfinite(value_s) else None


def _encode_canary(reading: Mapping[str, float], kernels: Sequence[str]) -> list[int | None] | None:
    return [_ns(reading[k]) if k in reading else None for k in kernels] if reading else None


def _decode_canary(row: Sequence[int | None] | None, kernels: Sequence[str]) -> dict[str, float]:
    return {k: v / 1e9 for k, v in zip(kernels, row or (), strict=False) if v is not None}


@dataclass(frozen=True)
class Agreement:
    """The proof that a backend computes what the reference computes.

    Args:
        passed: Whether the largest error is within the tolerance.
        max_relative_error: max|y - y_ref| / max|y_ref|, dimensionless; None if not computed.
        tolerance: The largest `max_relative_error` accepted.
        reference: What it was compared with, such as ``PyTorch in float64, first image of the batch``.
        reason: Why it failed or could not be computed, else empty.
    """

    passed: bool
    max_relative_error: float | None
    tolerance: float
    reference: str
    reason: str = ""


@dataclass(frozen=True)
class Preparation:
    """What happened before the first timed call; never part of a latency.

    Seconds and bytes; None where a backend has no such step. `convert_s` is None as well where an earlier
    process of the campaign has converted the network.
    """

    build_s: float | None = None
    convert_s: float | None = None
    compile_s: float | None = None
    first_inference_s: float | None = None
    warmup_s: float | None = None
    warmup_calls: int | None = None
    warmup_settled: bool | None = None


@dataclass(frozen=True)
class Measurement:
    """One pass of one workload on one backend with one thread count.

    Args:
        uid: Globally unique; importing the same measurement twice adds nothing.
        group: Measurements that were interleaved with each other share this id, and their
            blocks pair by :attr:`Block.round`.
        workload: What ran.
        backend: Backend id, for example ``openvino:cpu:fp32``.
        threads: Threads asked for.
        pass_index: 0 for the campaign's first pass; each pass uses fresh processes.
        status: What became of the cell.
        reason: Why, when `status` is not OK.
        blocks: Raw samples, empty unless `status` is OK.
        calls_per_sample: Inferences inside one sample; above 1 only for calls under 1 ms.
        stop_reason: Why sampling ended, for example ``interval`` or ``budget``.
        preparation: Convert, compile, first-inference and warm-up cost.
        peak_memory_bytes: Largest resident size of the worker so far in this cell.
        effective: What took effect: threads, streams, precision, affinity, primitives.
        agreement: Proof of equal outputs; None when the cell did not get that far.
        kernels: What really ran.
        counters: Cache misses and other events of one inference, each with its source.
        created_at: ISO 8601 time in UTC.
        protocol: :data:`PROTOCOL_VERSION` of the code that measured.
    """

    uid: str
    group: str
    workload: Workload
    backend: str
    threads: int
    pass_index: int
    status: Status
    reason: str = ""
    blocks: tuple[Block, ...] = ()
    calls_per_sample: int = 1
    stop_reason: str = ""
    preparation: Preparation = field(default_factory=Preparation)
    peak_memory_bytes: int | None = None
    effective: Mapping[str, Any] = field(default_factory=dict)
    agreement: Agreement | None = None
    kernels: tuple[Kernel, ...] = ()
    counters: tuple[Counter, ...] = ()
    created_at: str = ""
    protocol: str = PROTOCOL_VERSION

    @property
    def samples_s(self) -> tuple[float, ...]:
        """Every raw sample [s], in the order taken."""
        return tuple(s for block in self.blocks for s in block.samples_s)

    @property
    def median_s(self) -> float | None:
        """Median of the raw samples [s], or None without samples."""
        return statistics.median(self.samples_s) if self.blocks else None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; :meth:`from_dict` gives the measurement back."""
        return {
            "uid": self.uid,
            "group": self.group,
            "workload": self.workload.to_dict(),
            "backend": self.backend,
            "threads": self.threads,
            "pass_index": self.pass_index,
            "status": str(self.status),
            "reason": self.reason,
            "blocks": encode_blocks(self.blocks),
            "calls_per_sample": self.calls_per_sample,
            "stop_reason": self.stop_reason,
            "preparation": asdict(self.preparation),
            "peak_memory_bytes": self.peak_memory_bytes,
            "effective": dict(self.effective),
            "agreement": asdict(self.agreement) if self.agreement else None,
            "kernels": [k.to_dict() for k in self.kernels],
            "counters": [c.to_dict() for c in self.counters],
            "created_at": self.created_at,
            "protocol": self.protocol,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measurement:
        """Rebuild from :meth:`to_dict`."""
        return cls(
            **{
                **data,
                "workload": Workload.from_dict(data["workload"]),
                "status": Status(data["status"]),
                "blocks": decode_blocks(data["blocks"]) if data["blocks"] else (),
                "preparation": Preparation(**data["preparation"]),
                "agreement": Agreement(**data["agreement"]) if data["agreement"] else None,
                "kernels": tuple(Kernel.from_dict(k) for k in data["kernels"]),
                "counters": tuple(Counter.from_dict(c) for c in data.get("counters", ())),
            }
        )
