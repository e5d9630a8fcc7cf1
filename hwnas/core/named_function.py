"""Functions of the user's own, named ``package.module:function``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line


def is_function_name(text: str) -> bool:
    """Whether `text` has the form ``package.module:function``."""
    module, colon, attribute = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))


def find_function(name: str, what: str, form: str) -> Callable[..., Any]:
    """Import the function that ``package.module:function`` names.

    Modules of the current directory are found, as with ``python -m``.

    Args:
        name: Of that form.
        what: What the function is for, such as ``"model"``, for messages.
        form: How such a function is written, as an instruction.

    Raises:
        UsageError: No such module or function, the import fails, or it is not callable.
    """
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise UsageError(
                f"there is no module {error.name!r} for the {what} {name}",
                "Install it, or run from the folder that holds it",
            ) from error
        raise UsageError(
            f"importing {module_name} failed: {in_one_line(error)}", "Install what it imports"
        ) from error
    except FOREIGN_CODE_ERRORS as error:
        raise UsageError(
            f"importing {module_name} failed: {in_one_line(error)}", "Correct the module"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"module {module_name} has no {attribute!r}", form)
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{name} is a {type(found).__name__} and cannot be called", form)
    function: Callable[..., Any] = found
    return function
