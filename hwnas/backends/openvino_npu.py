"""OpenVINO on the NPU at FP16."""

from __future__ import annotations

from typing import Any

from hwnas.backends.openvino_arm import OpenVinoArm


class OpenVinoNpu(OpenVinoArm):
    """The neural processing unit of Intel Core Ultra; threads do not apply to it."""

    id = "openvino:npu:fp16"
    description = "OpenVINO on the NPU, FP16"
    tolerance = 5e-2
    device = "NPU"
    precision = "f16"
    remedy = "Install Intel's NPU driver (linux-npu-driver) and join the group 'render'"

    def config(self, threads: int) -> dict[str, Any]:
        """The NPU plugin has no streams to set."""
        return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self.precision}
