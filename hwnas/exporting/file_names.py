"""What the files of an export are called."""

from __future__ import annotations

ARCHITECTURE = "architecture.json"
WEIGHTS = "weights.safetensors"
ONNX = "model.onnx"
#: OpenVINO IR; its weights lie in a ``.bin`` beside it.
IR = "model.xml"
PYTHON = "network.py"
