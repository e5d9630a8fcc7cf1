"""PyTorch compiled by torch.compile (Inductor), its weights frozen into the graph."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time

from hwnas.backends.protocol import Availability, Program, Session
from hwnas.backends.torch_arm import TorchArm
from hwnas.core.errors import BackendUnavailable, CellError
from hwnas.core.foreign_code import in_one_line
from hwnas.core.kernel import Kernel

#: Where Inductor finds its compiler, in its own order.
_COMPILERS = ("g++", "clang++")


class TorchCompile(TorchArm):
    """PyTorch's own way to fuse operators: C++ for what is fused, oneDNN for convolutions, weights packed."""

    id = "torch-compile:cpu:fp32"
    description = "PyTorch compiled by torch.compile (Inductor), weights frozen"
    lists_kernels = False

    def availability(self) -> Availability:
        """Available wherever torch and a C++ compiler are installed."""
        found = super().availability()
        named = shlex.split(os.environ.get("CXX", ""))[:1]
        if found.available and not any(map(shutil.which, named or _COMPILERS)):
            return Availability(
                False, "torch.compile finds no C++ compiler", "apt-get install g++, or set $CXX"
            )
        return found

    def environment(self, threads: int) -> dict[str, str]:
        """Compilation stays in the process: helpers of its own would run beside what is timed."""
        return {**super().environment(threads), "TORCHINDUCTOR_COMPILE_THREADS": "1"}

    def compile(self, program: Program, threads: int) -> Session:
        """Compile by a first call.

        Raises:
            BackendUnavailable: The program is a model file.
            CellError: Inductor cannot compile it.
        """
        import torch
        from torch import _dynamo
        from torch._inductor.codecache import PyCodeCache

        from hwnas.backends.torch_compiled_session import TorchCompiledSession
        from hwnas.backends.torch_session import require_module

        module = require_module(program, self.id)
        if program.translation is not None:
            # Generated code goes with the campaign's other temporary files, and serves its later passes.
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{program.translation}.inductor"
        torch.set_num_threads(threads)
        # Networks of one class share their code: after some of them Dynamo would give up and compile no more.
        _dynamo.reset()
        _dynamo.utils.counters.clear()
        # Its generated modules hold the frozen weights of all networks before this one.
        for made in PyCodeCache.modules:
            sys.modules.pop(made.__name__, None)
        PyCodeCache.cache_clear()
        start = time.perf_counter()
        compiled = torch.compile(module, options={"freezing": True})
        try:
            with torch.inference_mode(), torch.random.fork_rng():
                compiled(*program.inputs)
        except _dynamo.exc.TorchDynamoException as error:
            cause = getattr(error, "inner_exception", error)
            raise CellError(
                f"torch.compile cannot compile it: {in_one_line(cause)}", "Measure it on torch"
            ) from error
        session = TorchCompiledSession(module, program.inputs, threads, call=lambda: compiled(*program.inputs))
        session.compile_s = time.perf_counter() - start
        return session

    def list_kernels(self, program: Program, threads: int) -> tuple[Kernel, ...]:
        """Not without compiling and running.

        Raises:
            BackendUnavailable: Always.
        """
        raise BackendUnavailable(
            f"{self.id} tells its kernels only when it runs", "Predict for torch or openvino"
        )
