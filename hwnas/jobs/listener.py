"""Who is told how a whole search goes."""

from __future__ import annotations

from hwnas.core.measurement import Measurement
from hwnas.measuring.events import Progress
from hwnas.searching.listener import Listener


class JobListener(Listener):
    """Hears of everything, and does nothing; subclasses print or draw."""

    def phase(self, text: str) -> None:
        """Something else than a trial begins, in a few words."""

    def notice(self, text: str) -> None:
        """Something a person should know, such as a busy machine."""


class Watching:
    """A campaign's watcher that tells a listener.

    Args:
        listener: Told.
    """

    def __init__(self, listener: JobListener) -> None:
        self._listener = listener

    def progress(self, progress: Progress) -> None:
        """Where the campaign stands."""
        if progress.activity == "preparing" and progress.passes:
            self._listener.phase(f"measuring latencies, {progress.done + 1} of {progress.total}")

    def finished(self, measurements: list[Measurement]) -> None:
        """Nothing to tell."""

    def notice(self, text: str) -> None:
        """Handed on."""
        self._listener.notice(text)
