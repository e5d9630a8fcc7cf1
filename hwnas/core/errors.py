"""The errors of hwnas.

```
HwnasError
├── UsageError (ValueError)              bad input: a value, file, key or option
│   └── UnknownName (LookupError)        a name nobody registered; lists close matches
├── MissingDependency (ImportError)      an optional package is not installed
├── LockHeld (RuntimeError)              another campaign measures on this machine
├── DatabaseError (RuntimeError)         the latency database cannot be used as it is
├── TrainingDiverged (RuntimeError)      a training's loss or gradient is not finite
├── EvaluationFailed (RuntimeError)      a user's own evaluator failed on one network
└── CellError (RuntimeError)             one cell of a campaign failed; the campaign goes on
    ├── BackendUnavailable               the arm cannot run on this host
    ├── AgreementError                   the arm computes something else than the reference
    ├── CellTimeout                      the cell exceeded its time limit
    ├── OutOfMemory                      the cell exceeded its memory limit
    └── WorkerDied                       the worker process crashed
```

Only `hwnas.cli` turns these into messages: one line, and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HwnasError(Exception):
    """Base of every error that hwnas raises on purpose.

    Args:
        message: What is wrong, naming the key, file or option.
        hint: The way out, as an instruction.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message.rstrip('.')}. {self.hint}" if self.hint else self.message


class UsageError(HwnasError, ValueError):
    """A value, file, key or option that cannot be used."""


class UnknownName(UsageError, LookupError):
    """A name that nobody registered.

    Args:
        what: The kind of thing looked up, for example ``"backend"``.
        name: The name that was given.
        known: Every name that would have been accepted.
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = tuple(sorted(known))
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        if close:
            hint = f"Did you mean {' or '.join(close)}?"
        elif not names:
            hint = "None is known yet"
        elif len(names) <= 12:
            hint = f"Known: {', '.join(names)}"
        else:
            hint = f"{len(names)} names are known, for example {', '.join(names[:4])}"
        super().__init__(f"unknown {what} {name!r}", hint)
        # From these a copy is made, as of an error that another process hands over.
        self.args = (what, name, names)


class MissingDependency(HwnasError, ImportError):
    """An optional package is not installed."""


class LockHeld(HwnasError, RuntimeError):
    """Another campaign holds this machine's measuring lock."""


class DatabaseError(HwnasError, RuntimeError):
    """The latency database cannot be opened, read or written as it is."""


class TrainingDiverged(HwnasError, RuntimeError):
    """The loss or the gradient of a training is not finite; nothing can be learned any more."""


class EvaluationFailed(HwnasError, RuntimeError):
    """A function of the user's failed on one network, or told no finite accuracy; others may go well."""


class CellError(HwnasError, RuntimeError):
    """One cell of a campaign failed; the campaign records the reason and goes on."""


class BackendUnavailable(CellError):
    """The backend cannot run on this host or cannot run this workload."""


class AgreementError(CellError):
    """The backend's outputs differ from the reference, or the proof is impossible."""


class CellTimeout(CellError):
    """The cell exceeded its time limit."""


class OutOfMemory(CellError):
    """The cell exceeded, or would exceed, its memory limit."""


class WorkerDied(CellError):
    """The worker process ended without an answer."""


#: What ends one cell and not the campaign: its own failure, or a model or input of the user's that is wrong.
CELL_FAILURES = (CellError, UsageError)
