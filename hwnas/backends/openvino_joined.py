"""Converts many small networks at once: most of a conversion's time does not depend on what is converted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hwnas.backends.openvino_runtime import import_openvino
from hwnas.backends.protocol import Program
from hwnas.core.errors import CellError

ov = import_openvino()


class _SideBySide(nn.Module):
    """Networks that have nothing in common but the call; each takes its own of the inputs."""

    def __init__(self, programs: Sequence[Program]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(p.module for p in programs if p.module is not None)
        self.counts = [len(p.inputs) for p in programs]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The output of each."""
        found, first = [], 0
        for network, count in zip(self.networks, self.counts, strict=True):
            found.append(network(*inputs[first : first + count]))
            first += count
        return tuple(found)


def converted_together(programs: Sequence[Program]) -> list[Any]:
    """An ``openvino.Model`` for each program: converted as one network, and taken apart again.

    They share no operator, so each compiles as if it had been converted by itself.

    Args:
        programs: Of modules with one output each.

    Raises:
        CellError: They cannot be converted together, or do not come apart: convert each by itself.
    """
    inputs = tuple(tensor for p in programs for tensor in p.inputs)
    try:
        with torch.no_grad():
            exported = torch.export.export(_SideBySide(programs).eval(), inputs, strict=False)
        whole = ov.convert_model(exported, share_weights=True)
        parameters, results = whole.get_parameters(), whole.get_results()
        if len(parameters) != len(inputs) or len(results) != len(programs):
            raise CellError("the networks have inputs or outputs that the converter leaves out")
        apart, first = [], 0
        for program, result in zip(programs, results, strict=True):
            own = parameters[first : first + len(program.inputs)]
            apart.append(ov.Model([result], own))
            first += len(own)
    except CellError:
        raise
    except Exception as error:  # exporter and converter raise many types, none of them public
        raise CellError(f"OpenVINO cannot convert the networks together: {type(error).__name__}") from error
    return apart
