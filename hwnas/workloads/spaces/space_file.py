"""Files of search spaces: YAML, with one form for every kind of space."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hwnas.core.errors import HwnasError, UnknownName, UsageError
from hwnas.core.registry import Registry
from hwnas.core.resources import data_folder, find_data_file
from hwnas.workloads.spaces.fitted import Fit, split_fit
from hwnas.workloads.spaces.space import MOST_COMBINATIONS, Space
from hwnas.workloads.spaces.space_form import Form, SpaceForm
from hwnas.workloads.spaces.yaml_lines import line_of, repeated_key

FOLDER = "search_spaces"

#: The ways to what a fit replaces: their lines in the file say something else.
_FITTED = (("input",), ("classes",))

_PACKAGE = "hwnas.workloads.spaces"
#: Kind -> the form of its files.
KINDS = Registry(
    "kind of space",
    "hwnas.spaces",
    {
        "patterns": f"{_PACKAGE}.pattern_space_form:PatternSpaceForm",
        "mbconv": f"{_PACKAGE}.mbconv_space:MBConvSpaceForm",
        "darts": f"{_PACKAGE}.darts_space:DartsSpaceForm",
        "nasbench201": f"{_PACKAGE}.nasbench201_space:NasBench201SpaceForm",
    },
)


class _Located(Exception):
    """An error, and the way to the key that it is about."""

    def __init__(self, error: HwnasError, keys: tuple[str | int, ...] = ()) -> None:
        super().__init__(error, keys)
        self.error = error
        self.keys = keys


def load_space(name: str) -> Space:
    """Read a shipped space by name, or a user's own YAML file.

    Args:
        name: Of the space, or of its file. ``NAME@1x28x28-10`` is the space for images of that shape and so
            many classes, whatever the file says of them; everything else is the file's.

    Raises:
        UnknownName: No such space.
        UsageError: The file cannot be read, something in it is wrong, or the images do not suit it; the message
            names file, line and key.
    """
    base, fit = split_fit(name)
    path = find_data_file(FOLDER, base, ".yaml")
    # A shipped file has one name, whichever way leads to it: equal networks have equal workloads.
    shipped = path.resolve().parent == data_folder(FOLDER).resolve()
    root, data = _read(path)
    own = path.stem if shipped else base
    if fit and fit != Fit(str(data.get("input")), data.get("classes", 0)):
        data = {**data, "input": fit.image, "classes": fit.classes}
        own = f"{own}@{fit}"
    try:
        return _space(data, own)
    except _Located as located:
        line, told = line_of(root, located.keys), located.error
        of_fit = fit is not None and located.keys in _FITTED
        where = f"space {own}" if of_fit else f"{path}, line {line}"
        raise UsageError(f"{where}: {told.message}", told.hint) from located


def fitted_space(name: str, input_shape: tuple[int, int, int], classes: int) -> Space:
    """A space with its choices, for the images of some data.

    Workloads of its architectures carry the fit in the space's name, so that any process rebuilds them.

    Args:
        name: A shipped space, or a user's own file; fitted to other images or not.
        input_shape: ``(channels, height, width)``.
        classes: Of the data.

    Raises:
        UnknownName: No such space.
        UsageError: The file cannot be used, or has stages that leave nothing of such images.
    """
    base, _ = split_fit(name)
    return load_space(f"{base}@{Fit.to(input_shape, classes)}")


def _read(path: Path) -> tuple[yaml.Node, Mapping[str, Any]]:
    """The file twice: as nodes, which know their lines, and as values."""
    try:
        text = path.read_text(encoding="utf-8")
        root, data = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", "Give a readable YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{where}: not valid YAML", "Correct the syntax") from error
    except ValueError as error:
        # PyYAML reads what looks like a date as one, and a date may be impossible.
        raise UsageError(f"{path}: {error}", "Put text that looks like a date in quotes") from error
    if not isinstance(data, dict) or root is None:
        raise UsageError(
            f"{path}, line 1: not a mapping of keys to values", f"See {FOLDER}/patterns.yaml for the form"
        )
    twice = repeated_key(root)
    if twice is not None:
        raise UsageError(
            f"{path}, line {twice.start_mark.line + 1}: key {twice.value} stands there twice", "Remove one"
        )
    return root, data


def _space(data: Mapping[str, Any], name: str) -> Space:
    form = _form(data)
    try:
        space = form.model_validate(data).space(name)
        _check_parts(space)
    except ValidationError as error:
        # A misspelt key is often a missing one as well: the former says what to do.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        raise _fault(form, first) from error
    except HwnasError as error:
        raise _Located(error, (form.main_key,)) from error
    return space


def _check_parts(space: Space) -> None:
    for part in space.parts():
        count = space.combination_count(part)
        if count > MOST_COMBINATIONS:
            raise UsageError(
                f"the part {part.name} has {count} combinations of options of {', '.join(part.choices)}; "
                f"{MOST_COMBINATIONS} is the most",
                "Give fewer options",
            )


def _form(data: Mapping[str, Any]) -> type[SpaceForm]:
    kind = data.get("kind")
    known = ", ".join(KINDS.names())
    if kind is None:
        raise _Located(UsageError("key kind is missing", f"Give one of {known}"))
    if not isinstance(kind, str):
        told = UsageError(f"key kind: should be a name (found {kind!r})", f"Give one of {known}")
        raise _Located(told, ("kind",))
    try:
        form = KINDS.load(kind)
    except UsageError as error:
        raise _Located(error, ("kind",)) from error
    if not (isinstance(form, type) and issubclass(form, SpaceForm)):
        told = UsageError(
            f"the kind of space {kind!r} is not a hwnas.workloads.spaces.space_form.SpaceForm",
            "Repair or remove the package that registers it",
        )
        raise _Located(told, ("kind",))
    return form


def _fault(form: type[SpaceForm], found: ErrorDetails) -> _Located:
    """What pydantic has found, in one line that names the key."""
    context = found.get("ctx", {})
    # pydantic marks the key of a mapping with "[key]".
    keys = tuple(k for k in (*found["loc"], *context.get("keys", ())) if k != "[key]")
    key = ".".join(map(str, keys))
    if found["type"] == "hwnas":
        return _Located(UsageError(f"key {key}: {context['message']}", context["hint"]), keys)
    if found["type"] == "missing":
        return _Located(UsageError(f"key {key} is missing", "Add it"), keys)
    if found["type"] == "extra_forbidden":
        section = form.sections.get(str(keys[0]), Form) if len(keys) > 1 else form
        return _Located(UnknownName("key", str(keys[-1]), section.model_fields), keys)
    return _Located(
        UsageError(f"key {key}: {found['msg'].lower()} (found {found['input']!r})", "Correct the value"), keys
    )
