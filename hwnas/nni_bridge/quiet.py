"""Keeping NNI and Lightning from printing: standard output is for the results of whoever calls."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("nni", "pytorch_lightning", "lightning_fabric", "lightning.pytorch")


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Inside the block these loggers say nothing; afterwards they have their levels back.

    What goes wrong inside is raised or stands in the caller's own log.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
