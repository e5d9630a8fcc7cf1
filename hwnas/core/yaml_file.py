"""YAML files: read once, and every mistake told with its file, line and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hwnas.core.errors import HwnasError, UnknownName, UsageError
from hwnas.core.yaml_form import Form, form_at
from hwnas.core.yaml_lines import line_of, repeated_key

#: The safe loader, the one in C where PyYAML has it: large tables take seconds otherwise.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

AForm = TypeVar("AForm", bound=Form)


@dataclass(frozen=True)
class YamlFile:
    """A YAML file that holds a mapping of keys to values.

    Args:
        path: Where it was read.
        text: All of it.
        values: Key -> value.
        root: The same as nodes, which know their lines.
        given: Key -> what has given its value in place of the file.
    """

    path: Path
    text: str
    values: Mapping[Any, Any]
    root: yaml.Node
    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, form: str) -> Self:
        """Read a file of a user's.

        Args:
            path: The file.
            form: Where somebody finds what such a file looks like, as an instruction.

        Raises:
            UsageError: It cannot be read, is not YAML, holds no mapping, or a key twice in one mapping.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {path}: {error}", "Give a readable YAML file") from error
        root, values = _parsed(path, text)
        if not isinstance(values, dict) or root is None:
            raise UsageError(f"{path}, line 1: not a mapping of keys to values", form)
        twice = repeated_key(root)
        if twice is not None:
            line = twice.start_mark.line + 1
            raise UsageError(f"{path}, line {line}: key {twice.value} stands there twice", "Remove one")
        return cls(path, text, values, root)

    def giving(self, values: Mapping[str, Any], source: str) -> Self:
        """The same with other values for some keys; mistakes in them are told with their source.

        Args:
            values: Key -> value.
            source: Where they come from, in a few words.
        """
        given = {**self.given, **dict.fromkeys(values, source)}
        return replace(self, values={**self.values, **values}, given=given)

    @contextmanager
    def at(self, *keys: str | int) -> Iterator[None]:
        """Errors from within are told with the file and the line of a key.

        Args:
            keys: The way to what they are about; none for the whole file.

        Raises:
            UsageError: In place of any other error of hwnas.
        """
        try:
            yield
        except HwnasError as error:
            raise self._told(error, keys) from error

    def checked(self, form: type[AForm]) -> AForm:
        """The values in their form.

        Raises:
            UsageError: A key is missing, unknown or has a wrong value; the message names file, line and key.
        """
        try:
            return form.model_validate(self.values)
        except ValidationError as error:
            # A misspelt key is often a missing one as well: the former says what to do.
            first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
            told, keys = _fault(form, first)
            raise self._told(told, keys) from error

    def _told(self, error: HwnasError, keys: tuple[str | int, ...]) -> UsageError:
        if keys and keys[0] in self.given:
            return UsageError(f"{self.given[str(keys[0])]}: {error.message}", error.hint)
        where = f", line {line_of(self.root, keys)}" if keys else ""
        return UsageError(f"{self.path}{where}: {error.message}", error.hint)


def _parsed(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    try:
        loader = _LOADER(text)
        try:
            root = loader.get_single_node()
            return root, None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{where}: not valid YAML", "Correct the syntax") from error
    except ValueError as error:
        # PyYAML reads what looks like a date as one, and a date may be impossible.
        raise UsageError(f"{path}: {error}", "Put text that looks like a date in quotes") from error


def _fault(form: type[Form], found: ErrorDetails) -> tuple[HwnasError, tuple[str | int, ...]]:
    """What pydantic has found, in one line that names the key, and the way to that key."""
    context = found.get("ctx", {})
    # pydantic marks the key of a mapping with "[key]".
    keys = tuple(k for k in (*found["loc"], *context.get("keys", ())) if k != "[key]")
    key = ".".join(map(str, keys))
    if found["type"] == "hwnas":
        return UsageError(f"key {key}: {context['message']}", context["hint"]), keys
    if found["type"] == "missing":
        return UsageError(f"key {key} is missing", "Add it"), keys
    if found["type"] == "extra_forbidden":
        return UnknownName("key", str(keys[-1]), form_at(form, keys[:-1]).model_fields), keys
    return UsageError(
        f"key {key}: {found['msg'].lower()} (found {found['input']!r})", "Correct the value"
    ), keys
