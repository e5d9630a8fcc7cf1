"""Networks from a function of the user's own, named ``package.module:function``."""

from __future__ import annotations

from torch import nn

from hwnas.core.errors import OutOfMemory, UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line, is_out_of_memory
from hwnas.core.named_function import find_function
from hwnas.core.workload import Workload
from hwnas.workloads.digest import network_digest
from hwnas.workloads.randomness import seeded

_FORM = "Name a function without required arguments that returns a torch.nn.Module, as package.module:function"


def call_factory(name: str, seed: int) -> nn.Module:
    """Call the factory with torch's generator seeded, and put the module into eval mode.

    Raises:
        OutOfMemory: There is no room for it.
        UsageError: It cannot be found, raises, or returns something else than a module.
    """
    factory = find_function(name, "model", _FORM)
    try:
        with seeded(seed):
            module = factory()
    except FOREIGN_CODE_ERRORS as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"the network of {name} does not fit into memory", "Free memory") from error
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
