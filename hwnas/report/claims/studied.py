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
#: Those with a depthwise convolution.
DEPTHWISE = ("depthwise_separable", "depthwise_bottleneck")
#: How latency grows with width tells two families apart.
STEEP = ("standard", "factorized", "bottleneck")
FLAT = (*DEPTHWISE, "grouped")

#: The numbers of layers that the study names, which are also the ends of its figures over depth.
SHALLOW, DEEP = 10, 50

NATIVE = "torch:cpu:fp32"
ACCELERATED = "openvino:cpu:fp32"
GPU = "openvino:gpu:fp16"
#: The accelerated CPU in 16 bits. No backend of hwnas; one that is added under this id is judged.
HALF = "openvino:cpu:fp16"
#: PyTorch with oneDNN forced for every operator it has.
FORCED = "torch-mkldnn:cpu:fp32"
#: PyTorch with dilated convolutions outside oneDNN, as at the time of the study.
PAPER_ERA = "torch-slow-dilated:cpu:fp32"
