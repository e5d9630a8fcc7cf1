"""Networks from a function of the user's own, named ``package.module:function``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from hwnas.core.errors import UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.core.workload import Workload
from hwnas.workloads.digest import network_digest
from hwnas.workloads.randomness import seeded

_FORM = "Name a function without required arguments that returns a torch.nn.Module, as package.module:function"


def find_factory(name: str) -> Callable[[], Any]:
    """Import the function that ``package.module:function`` names.

    Modules of the current directory are found, as with ``python -m``.

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
                f"there is no module {error.name!r} for the model {name}",
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
            raise UsageError(f"module {module_name} has no {attribute!r}", _FORM)
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{name} is a {type(found).__name__} and cannot be called", _FORM)
    function: Callable[[], Any] = found
    return function


def call_factory(name: str, seed: int) -> nn.Module:
    """Call the factory with torch's generator seeded, and put the module into eval mode.

    Raises:
        UsageError: It cannot be found, raises, or returns something else than a module.
    """
    factory = find_factory(name)
    try:
        with seeded(seed):
            module = factory()
    except FOREIGN_CODE_ERRORS as error:
        raise UsageError(f"the factory {name} failed: {in_one_line(error)}", _FORM) from error
    if not isinstance(module, nn.Module):
        raise UsageError(f"the factory {name} returned a {type(module).__name__}", _FORM)
    return module.eval()


def factory_module(workload: Workload) -> nn.Module:
    """The factory's network; its batch normalisations are as the factory left them.

    Raises:
        UsageError: The factory cannot be used, or its code has changed since the workload was declared.
    """
    module = call_factory(workload.name, workload.seed)
    recorded = workload.params.get("digest")
    if recorded is not None and network_digest(module) != recorded:
        raise UsageError(
            f"the factory {workload.name} returns another network than the one recorded",
            "Measure it again under its new definition",
        )
    return module
