"""Files of search spaces: YAML, with one form for every kind of space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.registry import Registry
from hwnas.core.resources import data_folder, find_data_file
from hwnas.core.yaml_file import YamlFile
from hwnas.workloads.spaces.fitted import Fit, split_fit
from hwnas.workloads.spaces.space import MOST_COMBINATIONS, Space
from hwnas.workloads.spaces.space_form import SpaceForm

FOLDER = "search_spaces"

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
    own = path.stem if shipped else base
    file = YamlFile.read(path, f"See {FOLDER}/patterns.yaml for the form")
    if fit and fit != Fit(str(file.values.get("input")), file.values.get("classes", 0)):
        own = f"{own}@{fit}"
        file = file.giving({"input": fit.image, "classes": fit.classes}, f"space {own}")
    with file.at("kind"):
        form = _form(file.values)
    found = file.checked(form)
    with file.at(form.main_key):
        space = found.space(own)
        _check_parts(space)
    return space


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


def _check_parts(space: Space) -> None:
    for part in space.parts():
        count = space.combination_count(part)
        if count > MOST_COMBINATIONS:
            raise UsageError(
                f"the part {part.name} has {count} combinations of options of {', '.join(part.choices)}; "
                f"{MOST_COMBINATIONS} is the most",
                "Give fewer options",
            )


def _form(values: Mapping[str, Any]) -> type[SpaceForm]:
    kind = values.get("kind")
    known = ", ".join(KINDS.names())
    if kind is None:
        raise UsageError("key kind is missing", f"Give one of {known}")
    if not isinstance(kind, str):
        raise UsageError(f"key kind: should be a name (found {kind!r})", f"Give one of {known}")
    form = KINDS.load(kind)
    if not (isinstance(form, type) and issubclass(form, SpaceForm)):
        raise UsageError(
            f"the kind of space {kind!r} is not a hwnas.workloads.spaces.space_form.SpaceForm",
            "Repair or remove the package that registers it",
        )
    return form
