"""Processes that take some of the work while this one does the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Generic, TypeVar

from hwnas.host.parent_death import leave_signals_to_parent

_Asked = TypeVar("_Asked", bound=Container[str])
_Found = TypeVar("_Found")


class Aside(Generic[_Asked, _Found]):
    """Some processes, started when the first work is given to them; each loads what it needs anew.

    Args:
        processes: How many; none where it is 0 or less, nor where the system cannot have any.
    """

    def __init__(self, processes: int) -> None:
        self._count = max(0, processes)
        self._pool: ProcessPoolExecutor | None = None
        # What a pool of processes lets wait, it soon calls begun; what waits for a thread can be taken back.
        self._threads = ThreadPoolExecutor(max(1, self._count))
        self._asked: list[tuple[_Asked, Future[_Found | None]]] = []

    @property
    def has_room(self) -> bool:
        """Whether work given now would be done soon: every process has at most one piece waiting."""
        return sum(not future.done() for _, future in self._asked) < 2 * self._count

    def has(self, key: str) -> bool:
        """Whether a key is in work that was given and not fetched yet."""
        return any(key in asked for asked, _ in self._asked)

    def submit(self, asked: _Asked, work: Callable[..., _Found | None], *arguments: object) -> bool:
        """Give work to a process; False where there is none.

        Args:
            asked: What :meth:`taken_back` and :meth:`results` give for it.
            work: Importable; None is what it returns where this process should do it instead.
            arguments: Of the work.
        """
        pool = self._started()
        if pool is None:
            return False
        self._asked.append((asked, self._threads.submit(self._done, pool, work, arguments)))
        return True

    def taken_back(self) -> Iterator[_Asked]:
        """Work that no process has begun, the last given first: it is this process's from now on."""
        for entry in reversed(list(self._asked)):
            asked, future = entry
            if future.cancel():
                self._asked.remove(entry)
                yield asked

    def results(self) -> Iterator[tuple[_Asked, _Found | None]]:
        """Work that was given, with what came of it; None where the process has died."""
        while self._asked:
            asked, future = self._asked.pop(0)
            yield asked, future.result()

    def finished(self) -> Iterator[tuple[_Asked, _Found | None]]:
        """Work that is done, as :meth:`results` gives it; nothing is waited for."""
        for entry in list(self._asked):
            asked, future = entry
            if future.done():
                self._asked.remove(entry)
                yield asked, future.result()

    def close(self) -> None:
        """End the processes, each after the piece that it is at."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor | None:
        if self._pool is None and self._count:
            try:
                # Never forked: other libraries' threads run here.
                context = get_context("spawn")
                pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=leave_signals_to_parent)
                # They end with the thread that starts them, so that is to be this one.
                for _ in range(self._count):
                    pool.submit(_ready)
                self._pool = pool
            except (NotImplementedError, OSError, BrokenProcessPool):
                self._count = 0
        return self._pool

    def _done(
        self, pool: ProcessPoolExecutor, work: Callable[..., _Found | None], arguments: tuple[object, ...]
    ) -> _Found | None:
        """In a thread: what came of work in a process; None where that has died."""
        try:
            return pool.submit(work, *arguments).result()
        except BrokenProcessPool:
            return None


def _ready() -> None:
    """Nothing to do yet."""
