"""Layouts of convolutions against oneDNN's own log, on this CPU and as on one without AVX-512."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys

import pytest
import torch

from hwnas.backends.onednn_layouts import blocked_layout, vector_floats

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or "AVX" not in torch.backends.cpu.get_cpu_capability(),
    reason="needs oneDNN on an x86-64 CPU with AVX2",
)

#: In, out, groups, kernel.
_CONVOLUTIONS = [
    *((channels, 16, 1, 3) for channels in (1, 3, 7, 8, 12, 15, 16, 17, 24, 32)),
    *((16, out, 1, 3) for out in (4, 8, 12, 20)),
    *((channels, channels, 1, 1) for channels in (3, 8, 20, 24, 32)),
    *((4 * each, 4 * each, 4, 3) for each in (2, 4, 6, 8, 12, 16)),
    *((channels, channels, channels, 3) for channels in (4, 18, 24, 32)),
    (16, 32, 4, 3),
    (32, 16, 4, 3),
    (18, 36, 18, 3),
]

# For each convolution, oneDNN's primitives with their memory. A batch that no rule of PyTorch's calls small.
_LOG = """
import json, sys, torch
from hwnas.backends.torch_kernels import onednn_primitives
torch.set_num_threads(1)
found = []
for inside, out, groups, kernel in json.loads(sys.argv[1]):
    network = torch.nn.Conv2d(inside, out, kernel, groups=groups, padding=kernel // 2, bias=False).eval()
    x = torch.zeros(16, inside, 40, 40)
    def run():
        with torch.inference_mode():
            network(x)
    run()
    found.append([(p.kind, p.memory) for p in onednn_primitives(run)])
print(json.dumps([torch.backends.cpu.get_cpu_capability(), found]))
"""


def _padded(memory: str, argument: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a tensor in a layout like ``ABcd16b16a``, whose last blocks are full."""
    layout = next(m for m in memory.split() if m.startswith(f"{argument}:")).split("blocked:")[1]
    padded = list(shape)
    for size, letter in re.findall(r"(\d+)([a-z])", layout.partition(":")[0]):
        dimension = ord(letter) - ord("a")
        padded[dimension] = math.ceil(padded[dimension] / int(size)) * int(size)
    return tuple(padded)


@pytest.mark.parametrize("limit", ["", "AVX2"])
def test_reorders_and_padding_are_those_of_onednns_log(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    done = subprocess.run(
        [sys.executable, "-c", _LOG, json.dumps(_CONVOLUTIONS)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    capability, logs = json.loads(done.stdout.splitlines()[-1])
    width = vector_floats(capability)
    for (inside, out, groups, kernel), log in zip(_CONVOLUTIONS, logs, strict=True):
        weights = (out, inside // groups, kernel, kernel)
        found = blocked_layout(inside, weights, groups, width)
        kinds = [kind for kind, _ in log]
        copies = [found.input_channels is not None, found.weight_shape is not None, True]
        assert (kinds.count("convolution"), kinds.count("reorder")) == (1, sum(copies)), (inside, out, groups)
        (memory,) = (memory for kind, memory in log if kind == "convolution")
        assert _padded(memory, "dst", (16, out, 40, 40))[1] == found.output_channels, memory
        assert _padded(memory, "src", (16, inside, 40, 40))[1] == (found.input_channels or inside), memory
        # oneDNN gives the groups a dimension of their own.
        asked = weights if groups == 1 else (groups, out // groups, *weights[1:])
        stored = math.prod(_padded(memory, "wei", asked))
        assert stored == math.prod(found.weight_shape or weights), memory


@pytest.mark.parametrize(
    ("limit", "capability", "floats"),
    [
        (None, "AVX512", 16),
        (None, "AVX2", 8),
        ("AVX2", "AVX512", 8),
        ("AVX512_CORE_VNNI", "AVX512", 16),
        ("ALL", "AVX512", 16),
        # A limit gives a CPU nothing that it lacks.
        ("AVX512_CORE", "AVX2", 8),
    ],
)
def test_a_limit_of_the_users_counts(
    limit: str | None, capability: str, floats: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    if limit is None:
        monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    else:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert vector_floats(capability) == floats
