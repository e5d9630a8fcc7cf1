"""Saves figures; many of them in processes of their own, while the next ones are drawn."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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
    ``if __name__ == "__main__"``.
    """

    def __init__(self) -> None:
        count = min(_MOST_PROCESSES, os.cpu_count() or 1)
        # Never forked: other libraries' threads run here.
        self._pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
        for _ in range(count):
            self._pool.submit(_ready)
        self._running: list[Future[None]] = []

    def __call__(self, figure: Figure, stem: Path) -> None:
        """Begin to save a figure, which must not be changed any more."""
        import cloudpickle  # figures hold functions that format their ticks

        self._running.append(self._pool.submit(_save, cloudpickle.dumps(figure), stem))

    def finish(self) -> None:
        """Wait until all figures are written.

        Raises:
            UsageError: One cannot be written.
        """
        running, self._running = self._running, []
        for future in running:
            future.result()

    def close(self) -> None:
        """End the processes; what was not begun is left."""
        self._pool.shutdown(cancel_futures=True)


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
