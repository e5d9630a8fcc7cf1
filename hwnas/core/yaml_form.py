"""Forms that the mappings of YAML files are checked against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from hwnas.core.errors import HwnasError


class Form(BaseModel):
    """A mapping in a file: keys that it does not have are refused, and so are values of other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def fault(error: HwnasError, *keys: str | int) -> PydanticCustomError:
    """An error of ours for pydantic to raise.

    Args:
        error: Its message and hint are kept.
        keys: The way from the validated value down to what is wrong.
    """
    return PydanticCustomError(
        "hwnas", "{message}", {"message": error.message, "hint": error.hint, "keys": list(keys)}
    )


def form_at(form: type[Form], keys: Iterable[str | int]) -> type[Form]:
    """The form of the mapping that `keys` lead to, from a mapping of the form `form`."""
    for key in keys:
        field = form.model_fields.get(str(key))
        if field is not None:
            form = _inner(field.annotation) or form
    return form


def _inner(annotation: Any) -> type[Form] | None:
    """The form in a type such as ``list[Form]`` or ``Form | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Form):
        return annotation
    return next((found for part in get_args(annotation) if (found := _inner(part))), None)
