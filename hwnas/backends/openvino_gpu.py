"""OpenVINO on the integrated GPU at FP16."""

from __future__ import annotations

from hwnas.backends.openvino_arm import OpenVinoArm


class OpenVinoGpu(OpenVinoArm):
    """The GPU-specific acceleration of the study; threads do not apply to it."""

    id = "openvino:gpu:fp16"
    description = "OpenVINO on the integrated GPU, FP16"
    #: FP16 keeps 11 significant bits; errors grow with depth.
    tolerance = 5e-2
    device = "GPU"
    precision = "f16"
    remedy = (
        "Install Intel's GPU driver (Debian and Ubuntu: intel-opencl-icd; Gen8 to Gen11 graphics such as "
        "HD 630: the legacy1 packages of compute-runtime) and join the group 'render'"
    )
