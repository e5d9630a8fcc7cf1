"""The simulator: its profiles, and a real cell of each runtime under valgrind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.errors import BackendUnavailable, CellError
from hwnas.host.counters import callgrind_source
from hwnas.measuring.callgrind import (
    fixed_addresses,
    inherited_variables,
    parse_totals,
    simulated_misses,
)
from hwnas.workloads.patterns import pattern_workload

needs_valgrind = pytest.mark.skipif(
    not callgrind_source().available, reason=f"valgrind: {callgrind_source().detail}"
)

_CELL = pattern_workload("standard", depth=2, width=128, resolution=4)

_PROFILE = """# callgrind format
version: 1
events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw
summary: 9 9 9
fn=(1)
0 10 1
totals: 1000 200 100 7 50 30 1 20
"""


def test_totals_are_read_by_name_and_missing_zeros_added() -> None:
    totals = parse_totals(_PROFILE)
    assert (totals["Ir"], totals["DLmr"], totals["DLmw"]) == (1000, 20, 0)


def test_an_unfinished_profile_is_no_count() -> None:
    with pytest.raises(CellError, match="no totals"):
        parse_totals("events: Ir Dr\nsummary: 1 2\n")


def test_without_valgrind_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BackendUnavailable) as caught:
        simulated_misses("torch:cpu:fp32", 1, CacheGeometry(2**20, 16, 64), 60, _CELL)
    assert "apt-get install valgrind" in str(caught.value)


def test_a_simulated_process_gets_what_steers_runtimes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    monkeypatch.setenv("SOMETHING_OF_THE_SHELL", "1")
    monkeypatch.setenv("PATH", "/somewhere:/else")
    variables = inherited_variables()
    assert variables["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert variables["ATEN_CPU_CAPABILITY"] == "avx2"
    assert "SOMETHING_OF_THE_SHELL" not in variables
    assert variables["PATH"] == os.defpath


@needs_valgrind
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backend_id", ["torch:cpu:fp32", "openvino:cpu:fp32"])
def test_a_cell_repeats_and_obeys_its_cache(
    backend_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same within 0.5 % from another shell, at the traffic of weights that a small cache cannot hold.

    A simulation takes a minute: the runtime whose buffers come from the heap is simulated twice.
    """
    geometry = CacheGeometry(2**18, 16, 64)
    first = simulated_misses(backend_id, 1, geometry, 1800, _CELL)
    if backend_id == "torch:cpu:fp32":
        monkeypatch.setenv("A_VARIABLE_OF_ANOTHER_SHELL", "x" * 3000)
        elsewhere = tmp_path / "a folder with a longer name than most"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        second = simulated_misses(backend_id, 1, geometry, 1800, _CELL)
        # Where a container forbids fixed addresses, lines meet in other sets each time.
        assert second.value == pytest.approx(first.value, rel=0.005 if fixed_addresses() else 0.05)
    assert (first.source, first.geometry, first.threads) == ("callgrind", "262144,16,64", 1)
    assert first.value is not None
    weights_lines = 2 * 128 * 128 * 9 * 4 / 64
    # PyTorch may read the weights, write them in oneDNN's layout, and read that.
    assert weights_lines < first.value < 4 * weights_lines
    assert first.accesses is not None
    assert first.accesses > first.value
