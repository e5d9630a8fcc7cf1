"""The proof that an export's files compute what the network does."""

from __future__ import annotations

import copy
import runpy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hwnas.backends.protocol import Program
from hwnas.backends.registry import backend
from hwnas.backends.torch_session import dense, flatten
from hwnas.core.errors import AgreementError, HwnasError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.measuring.agreement import prove_agreement
from hwnas.measuring.reference import compute_reference

#: What runs ONNX and IR files here.
_RUNTIME = "openvino:cpu:fp32"
_EAGER = "torch:cpu:fp32"


@dataclass(frozen=True)
class Check:
    """How far a file's outputs are from the network's.

    Args:
        error: max|y - y_ref| / max|y_ref|.
        tolerance: Largest error that was accepted.
        runtime: That ran the file.
        doubt: Why equal outputs prove little; empty where they do.
    """

    error: float
    tolerance: float
    runtime: str
    doubt: str = ""


class Reference:
    """What a network answers to an input, computed in double precision.

    Args:
        network: In eval mode; not changed.
        inputs: Float32, batch first.

    Raises:
        UsageError: The network cannot run on the input.
    """

    def __init__(self, network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._inputs = inputs
        self._expected = compute_reference(copy.deepcopy(network), inputs)

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """For a single image."""
        return [output.shape for output in self._expected.outputs]

    def check_model_file(self, path: Path) -> Check:
        """Run an ONNX or IR file.

        Raises:
            AgreementError: It computes something else.
            CellError: It cannot be compiled.
        """
        runtime = backend(_RUNTIME)
        try:
            session = runtime.compile(Program(self._inputs, path=path), threads=1)
            session.run()
        except HwnasError as error:
            raise AgreementError(f"the written {path.name} does not run: {error.message}") from error
        return self._judged(path.name, session.outputs(), runtime.tolerance, runtime.id)

    def check_python_file(self, path: Path) -> Check:
        """Run the Python file, and the network that it rebuilds.

        Raises:
            AgreementError: It fails, or the network computes something else.
        """
        runtime = backend(_EAGER)
        try:
            network: nn.Module = runpy.run_path(str(path))["network"]()
            with torch.inference_mode():
                outputs = [dense(t).numpy() for t in flatten(network(*self._inputs))]
        except HwnasError as error:
            raise AgreementError(f"the written {path.name} does not run: {error.message}") from error
        except FOREIGN_CODE_ERRORS as error:
            raise AgreementError(f"the written {path.name} does not run: {in_one_line(error)}") from error
        return self._judged(path.name, outputs, runtime.tolerance, runtime.id)

    def _judged(self, name: str, outputs: Sequence[np.ndarray], tolerance: float, runtime: str) -> Check:
        try:
            found = prove_agreement(outputs, self._expected, tolerance)
        except AgreementError as error:
            raise AgreementError(f"the written {name} computes something else: {error.message}") from error
        return Check(found.max_relative_error or 0.0, tolerance, runtime, found.reason)
