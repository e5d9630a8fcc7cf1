"""The backends, by id. Third parties add theirs with the entry-point group ``hwnas.backends``."""

from __future__ import annotations

from hwnas.backends.protocol import Backend
from hwnas.core.errors import UsageError
from hwnas.core.foreign_code import FOREIGN_CODE_ERRORS, in_one_line
from hwnas.core.registry import Registry

_WAY_OUT = "Update or remove the package that offers it"

BACKENDS = Registry(
    "backend",
    "hwnas.backends",
    {
        "torch:cpu:fp32": "hwnas.backends.torch_eager:TorchEager",
        "torch-nomkldnn:cpu:fp32": "hwnas.backends.torch_nomkldnn:TorchNoMkldnn",
        "torch-mkldnn:cpu:fp32": "hwnas.backends.torch_mkldnn:TorchMkldnn",
        "torch-channels-last:cpu:fp32": "hwnas.backends.torch_channels_last:TorchChannelsLast",
        "openvino:cpu:fp32": "hwnas.backends.openvino_cpu:OpenVinoCpu",
        "openvino:gpu:fp16": "hwnas.backends.openvino_gpu:OpenVinoGpu",
        "openvino:npu:fp16": "hwnas.backends.openvino_npu:OpenVinoNpu",
        "torch-default-heap:cpu:fp32": "hwnas.backends.torch_default_heap:TorchDefaultHeap",
        "torch-slow-dilated:cpu:fp32": "hwnas.backends.torch_slow_dilated:TorchSlowDilated",
        "torch-compile:cpu:fp32": "hwnas.backends.torch_compile:TorchCompile",
    },
)


def backend(name: str) -> Backend:
    """The backend of a full id, or of an unambiguous short one such as ``torch-mkldnn``.

    Raises:
        UnknownName: No backend has that id; the message lists close ones.
        UsageError: The short id is ambiguous, or a third party's backend cannot be imported or constructed, or
            its id is none.
    """
    full, make = BACKENDS.resolve(name), BACKENDS.load(name)
    if full.count(":") != 2:
        raise UsageError(f"the id of backend {full!r} is not runtime:device:precision", _WAY_OUT)
    try:
        instance: Backend = make()
    except FOREIGN_CODE_ERRORS as error:
        raise UsageError(f"backend {full!r} cannot be constructed: {in_one_line(error)}", _WAY_OUT) from error
    return instance
