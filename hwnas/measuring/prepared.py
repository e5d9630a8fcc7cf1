"""One network on one backend inside a worker: compiled, proved, warm, ready to be timed."""

from __future__ import annotations

import gc
import math
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwnas.backends.protocol import Backend, Program, Session
from hwnas.core.measurement import Agreement, Preparation
from hwnas.core.workload import Workload
from hwnas.host.allocator import heap_settings
from hwnas.host.interruptions import read_interruptions
from hwnas.host.runtime_variables import runtime_variables, without_folders
from hwnas.measuring.agreement import check_effective, prove_agreement
from hwnas.measuring.reference import load_reference, reference_path
from hwnas.measuring.warmup import warm_up
from hwnas.workloads.build import load_program

if TYPE_CHECKING:
    from hwnas.host.canary import Canary

#: A sample shorter than this is made of several calls, since reading the clock costs some of it.
_SHORTEST_SAMPLE_S = 1e-3

#: Calls at the start of a turn are not timed until this much has run: the other arm
#: has just used the caches. Calls above `_LONG_CALL_S` fill the caches in a small part of one call.
_REFILL_S = 4e-3
_LONG_CALL_S = 0.25


def build_program(workload: Workload, blob: bytes) -> Program:
    """The workload as backends take it.

    Args:
        workload: What to build.
        blob: Serialised live module of a ``module`` workload, else empty.

    Raises:
        UsageError: The model or its input is wrong.
    """
    built = load_program(workload, blob)
    return Program(inputs=built.inputs, module=built.module, path=built.path)


def _translation_path(backend: Backend, workload: Workload, scratch: Path) -> Path:
    return scratch / f"{backend.id.replace(':', '-')}-{workload.key}"


class PreparedCell:
    """A compiled network with its proof, and the loop that times it."""

    def __init__(
        self, session: Session, agreement: Agreement, canary: Canary, build_s: float, first_s: float
    ) -> None:
        self.session = session
        self.agreement = agreement
        self._canary = canary
        self._build_s = build_s
        self._first_s = first_s
        self._call_s = first_s
        self._calls_per_sample = 1
        self._warmup: dict[str, Any] = {}

    @classmethod
    def create(
        cls, backend: Backend, threads: int, workload: Workload, blob: bytes, scratch: Path, canary: Canary
    ) -> PreparedCell:
        """Build and compile the workload, run it once, and prove that it computes the right thing.

        Args:
            backend: The arm.
            threads: Threads it may use.
            workload: What to run.
            blob: The live module of a ``module`` workload, else empty.
            scratch: Folder in which the reference outputs lie.
            canary: Read between blocks.

        Raises:
            CellError: It cannot run, or computes something else.
            UsageError: The model or its input is wrong.
        """
        start = time.perf_counter()
        program = replace(
            build_program(workload, blob), translation=_translation_path(backend, workload, scratch)
        )
        build_s = time.perf_counter() - start
        session = backend.compile(program, threads)
        start = time.perf_counter()
        session.run()
        first_s = time.perf_counter() - start
        reference = None if program.module is None else load_reference(reference_path(workload, scratch))
        agreement = prove_agreement(session.outputs(), reference, backend.tolerance)
        check_effective(backend.id, threads, session.effective())
        return cls(session, agreement, canary, build_s, first_s)

    def warm_up(self, floor_s: float, cap_s: float) -> None:
        """Run until two adjacent windows agree; decides how many calls make a sample."""
        result = warm_up(self.session.run, floor_s, cap_s)
        self._call_s = result.call_s
        self._calls_per_sample = max(1, math.ceil(_SHORTEST_SAMPLE_S / result.call_s))
        self._warmup = {
            "warmup_s": result.elapsed_s,
            "warmup_calls": result.calls,
            "warmup_settled": result.settled,
        }

    def describe(self) -> dict[str, Any]:
        """What happened before timing, JSON-ready."""
        preparation = Preparation(
            build_s=self._build_s,
            convert_s=self.session.convert_s,
            compile_s=self.session.compile_s,
            first_inference_s=self._first_s,
            **self._warmup,
        )
        return {
            "preparation": asdict(preparation),
            "agreement": asdict(self.agreement),
            "effective": {
                **self.session.effective(),
                "allocator": without_folders(heap_settings(os.environ)),
                "variables": without_folders(runtime_variables(os.environ)),
            },
            "calls_per_sample": self._calls_per_sample,
            "call_s": self._call_s,
        }

    @property
    def call_s(self) -> float:
        """One inference at the end of the warm-up [s]."""
        return self._call_s

    def turn(self, turn_s: float, block_s: float) -> list[dict[str, Any]]:
        """Time calls for about `turn_s`, at least one sample, reading the canary between blocks.

        Returns:
            Blocks without their round: start [s], samples [s], canary before and after [s].
        """
        clock = time.perf_counter_ns
        run, calls = self.session.run, self._calls_per_sample
        gc.disable()
        try:
            if self._call_s < _LONG_CALL_S:
                refill_end = clock() + int(_REFILL_S * 1e9)
                run()
                while clock() < refill_end:
                    run()
            blocks = []
            before = self._canary.read()
            turn_end = clock() + int(turn_s * 1e9)
            while True:
                interrupted = read_interruptions()
                start = now = clock()
                block_end = start + int(block_s * 1e9)
                samples = []
                while True:
                    for _ in range(calls):
                        run()
                    then, now = now, clock()
                    samples.append((now - then) / calls * 1e-9)
                    if now >= block_end:
                        break
                interrupted = read_interruptions() - interrupted
                after = self._canary.read()
                blocks.append(
                    {
                        "start_s": start * 1e-9,
                        "samples_s": samples,
                        "canary_before_s": before,
                        "canary_after_s": after,
                        "steal_ticks": interrupted.steal_ticks,
                        "preemptions": interrupted.preemptions,
                    }
                )
                before = after
                if clock() >= turn_end:
                    return blocks
        finally:
            gc.enable()
