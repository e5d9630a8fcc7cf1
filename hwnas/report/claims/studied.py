"""What the study compares: its patterns and its backends."""

#: In its own order; others that were registered take no part in its claims.
STUDIED_PATTERNS = (
    "standard",
    "factorized",
    "bottleneck",
    "depthwise_separable",
    "depthwise_bottleneck",
    "grouped",
)

NATIVE = "torch:cpu:fp32"
ACCELERATED = "openvino:cpu:fp32"
GPU = "openvino:gpu:fp16"
#: PyTorch with oneDNN forced for every operator it has.
FORCED = "torch-mkldnn:cpu:fp32"
#: PyTorch with dilated convolutions outside oneDNN, as at the time of the study.
PAPER_ERA = "torch-slow-dilated:cpu:fp32"
