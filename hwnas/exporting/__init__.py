"""Trained networks as files that others can use: weights, ONNX, OpenVINO IR and Python, each one proved."""
