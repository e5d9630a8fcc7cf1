"""Names and what they stand for: built-in entries plus those of installed packages."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import entry_points
from typing import Any

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS


class Registry:
    """Maps names to objects that are imported only when asked for.

    Args:
        what: What the entries are, for messages, for example ``"backend"``.
        group: Entry-point group that third parties add to, for example ``"hwnas.backends"``.
        builtin: Name -> ``"package.module:attribute"``.
    """

    def __init__(self, what: str, group: str, builtin: dict[str, str]) -> None:
        self.what = what
        self.group = group
        self._builtin = dict(builtin)
        self._plugins: dict[str, str] = {}
        self._searched: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Every known name, built-in ones first, in order of registration."""
        return list(self._targets())

    def _targets(self) -> dict[str, str]:
        path = tuple(map(str, sys.path))
        if path != self._searched:
            # Reads the metadata of every installed package, so once for a search path is enough.
            self._plugins = {entry.name: entry.value for entry in entry_points(group=self.group)}
            self._searched = path
        return {**self._builtin, **{k: v for k, v in self._plugins.items() if k not in self._builtin}}

    def resolve(self, name: str) -> str:
        """The full name for a full name or for its unambiguous first part.

        ``torch-mkldnn`` stands for ``torch-mkldnn:cpu:fp32`` as long as no other entry
        starts with ``torch-mkldnn:``.

        Raises:
            UnknownName: Nothing has that name.
            UsageError: The short name stands for several entries.
        """
        names = self.names()
        if name in names:
            return name
        matches = [full for full in names if full.startswith(f"{name}:")]
        if len(matches) > 1:
            raise UsageError(f"{self.what} {name!r} is ambiguous", f"Say which: {', '.join(matches)}")
        if not matches:
            raise UnknownName(self.what, name, names)
        return matches[0]

    def load(self, name: str) -> Any:
        """The object that `name` (full or short) stands for; imports its module.

        Raises:
            UnknownName: Nothing has that name.
            UsageError: Its module cannot be imported, or lacks the object.
        """
        target = self.target(name)
        module, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except FOREIGN_CODE_ERRORS as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(
                f"{self.what} {self.resolve(name)!r} cannot be loaded from {target}: {reason}",
                "Update or remove the package that offers it",
            ) from error

    def target(self, name: str) -> str:
        """``package.module:attribute`` of `name` (full or short), without importing it.

        Raises:
            UnknownName: Nothing has that name.
        """
        return self._targets()[self.resolve(name)]

    def add(self, name: str, target: str) -> None:
        """Register one more entry for this process, for example from a script or a notebook.

        Args:
            name: A new name, or a known one to replace.
            target: ``package.module:attribute``; importable here and, for backends, by workers,
                which get this process's `sys.path`.
        """
        self._builtin[name] = target
