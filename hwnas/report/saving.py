"""Saves figures; many of them in processes of their own, while the next ones are drawn."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hwnas.host.cpus import usable_threads
from hwnas.host.parent_death import leave_signals_to_parent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: More take more memory than they save time: figures are drawn one after the other.
_MOST_PROCESSES = 4


class Save(Protocol):
    """Writes a figure as PNG and SVG, now or later."""

    def __call__(self, figure: Figure, stem: Path) -> object:
        """To `stem`.png and `stem`.svg."""


class SavingProcesses:
    """Processes that save figures. They load what they need while something else goes on here.

    The program's own file is loaded again in each, so a script that makes these needs its
    ``if __name__ == "__main__"``. Figures of processes that die are saved here.

    Raises:
        NotImplementedError, OSError: This system cannot have them.
    """

    def __init__(self) -> None:
        count = min(_MOST_PROCESSES, usable_threads())
        # Never forked: other libraries' threads run here.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=leave_signals_to_parent)
        self._running: list[tuple[bytes, Path, Future[None] | None]] = []
        with suppress(BrokenProcessPool):
            for _ in range(count):
                self._pool.submit(_ready)

    def __call__(self, figure: Figure, stem: Path) -> None:
        """Begin to save a figure, which must not be changed any more."""
        import cloudpickle  # figures hold functions that format their ticks

        packed = cloudpickle.dumps(figure)
        try:
            future = self._pool.submit(_save, packed, stem)
        except BrokenProcessPool:
            future = None
        self._running.append((packed, stem, future))

    def finish(self) -> None:
        """Wait until all figures are written.

        Raises:
            UsageError: One cannot be written.
        """
        running, self._running = self._running, []
        for packed, stem, future in running:
            try:
                if future is not None:
                    future.result()
                    continue
            except BrokenProcessPool:
                pass
            _save(packed, stem)

    def close(self) -> None:
        """End the processes; what was not begun is left."""
        self._pool.shutdown(cancel_futures=True)


def saving_processes() -> SavingProcesses | None:
    """Processes that save figures; None where there is one CPU alone, or where there cannot be any."""
    if usable_threads() < 2:
        return None
    try:
        return SavingProcesses()
    except (NotImplementedError, OSError):
        return None


@contextmanager
def saving(processes: SavingProcesses | None) -> Iterator[Save]:
    """What figures are saved with; all are written when the block ends well.

    Args:
        processes: None to save each here and now.

    Raises:
        UsageError: One cannot be written.
    """
    if processes is None:
        from hwnas.report.style import save

        yield save
    else:
        yield processes
        processes.finish()


def _ready() -> None:
    from hwnas.report import style  # noqa: F401 - loads matplotlib


def _save(figure: bytes, stem: Path) -> None:
    import cloudpickle

    from hwnas.report.style import save, styled

    with styled():
        save(cloudpickle.loads(figure), stem)
