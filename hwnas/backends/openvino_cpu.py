"""OpenVINO on the CPU at FP32."""

from __future__ import annotations

from typing import Any

from hwnas.backends.openvino_arm import OpenVinoArm


class OpenVinoCpu(OpenVinoArm):
    """The microprocessor-specific acceleration of the study."""

    id = "openvino:cpu:fp32"
    description = "OpenVINO on the CPU, FP32"
    tolerance = 1e-3
    device = "CPU"
    precision = "f32"
    remedy = "pip install openvino"

    def config(self, threads: int) -> dict[str, Any]:
        """Threads are named: the automatic choice does not see container quotas."""
        return {
            **super().config(threads),
            "INFERENCE_NUM_THREADS": threads,
            "CPU_DENORMALS_OPTIMIZATION": False,
        }
