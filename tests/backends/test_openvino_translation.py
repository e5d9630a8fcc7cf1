"""A converted network is kept for the campaign's later processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hwnas.backends.protocol import Program, Session
from hwnas.backends.registry import backend
from hwnas.testing.backend_contract import small_input, small_network


def _compiled(place: Path | None) -> Session:
    torch.manual_seed(0)
    network, images = small_network(), small_input()
    session = backend("openvino:cpu:fp32").compile(Program((images,), network, translation=place), 1)
    session.run()
    return session


def test_a_later_process_reads_what_the_first_one_converted(tmp_path: Path) -> None:
    place = tmp_path / "openvino-cpu-fp32-abc"
    first, again, without = _compiled(place), _compiled(place), _compiled(None)
    assert first.convert_s is not None
    assert again.convert_s is None
    np.testing.assert_array_equal(first.outputs()[0], again.outputs()[0])
    np.testing.assert_array_equal(first.outputs()[0], without.outputs()[0])
    own, known = ([(k.type, k.implementation, k.fused[1:]) for k in s.kernels()] for s in (without, again))
    assert own == known
    assert not list(tmp_path.glob("part-*"))


def test_half_a_file_is_no_network(tmp_path: Path) -> None:
    """Weights without their graph: the process that wrote them died."""
    place = tmp_path / "network"
    place.with_suffix(".bin").write_bytes(b"half")
    assert _compiled(place).convert_s is not None
    assert _compiled(place).convert_s is None


def test_where_nothing_can_be_kept_it_converts_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "network"
    assert _compiled(place).convert_s is not None
    assert _compiled(place).convert_s is not None
