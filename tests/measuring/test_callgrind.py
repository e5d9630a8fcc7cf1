"""The simulator: its profiles, and a real cell of each runtime under valgrind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hwnas.core.cache_geometry import CacheGeometry
from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.errors import BackendUnavailable, CellError
from hwnas.core.workload import Workload
from hwnas.host.counters import callgrind_source
from hwnas.measuring import callgrind
from hwnas.measuring.callgrind import (
    _Simulator,
    fixed_addresses,
    inherited_variables,
    parse_totals,
    simulated_misses,
)
from hwnas.store import LatencyStore
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


def test_both_ends_of_the_simulators_pipes_see_the_same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are called after user and host, of which the simulated process gets no variable."""
    names = ("LOGNAME", "USER", "HOST", "HOSTNAME")
    for name in names:
        monkeypatch.setenv(name, "somebody")
    seen: list[dict[str, str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> SimpleNamespace:
        seen.append(env)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    simulator = object.__new__(_Simulator)
    monkeypatch.setattr(simulator, "_worker", SimpleNamespace(pid=1, alive=True), raising=False)
    simulator._control("zero")
    assert [variables.keys() & set(names) for variables in seen] == [set()]
    assert seen[0] == inherited_variables()


@pytest.mark.parametrize(("kind", "alone"), [("pattern", True), ("file", False)])
def test_where_modules_are_looked_for_is_the_same_in_every_program(
    monkeypatch: pytest.MonkeyPatch, kind: str, alone: bool
) -> None:
    """What lies in the folders of `sys.path` moves memory; a user's own network needs them all the same."""
    asked: dict[str, object] = {}

    def worker(*_: object, **options: object) -> None:
        asked.update(options)
        raise CellError("seen enough")

    monkeypatch.setattr(callgrind, "WorkerClient", worker)
    monkeypatch.setattr(callgrind, "callgrind_source", lambda: SimpleNamespace(available=True))
    monkeypatch.setattr(_Simulator, "_valgrind", lambda self: ())
    with pytest.raises(CellError, match="seen enough"):
        simulated_misses("torch:cpu:fp32", 1, _CACHE, 60, Workload(kind, "any", (1, 3, 8, 8)))
    assert asked["own_path"] is alone
    assert asked["folder"] == ("/" if alone else None)


_CACHE = CacheGeometry(2**18, 16, 64)
#: Longer than inferences take: a slow host then makes as many as a fast one, to warm up and to count.
_LONG_S = 1e6
#: The command with that time.
_COMMAND = f"""
from hwnas.cli.main import main
from hwnas.measuring import callgrind
callgrind._WARM_UP_S = callgrind._COUNTED_S = {_LONG_S}
main()
"""
_PLAN = """
backends: [torch]
sweeps:
  - {patterns: [standard], depth: 2, width: 128, resolution: 4}
settings:
  {passes: 1, max_passes: 1, budget_s: 0.1, turn_s: 0.02, min_rounds: 2, warmup_s: 0.02, warmup_cap_s: 0.1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a plan of the cell; the command's database goes there as well."""
    path = tmp_path_factory.mktemp("command") / "a folder with a longer name than most"
    path.mkdir()
    (path / "plan.yaml").write_text(_PLAN)
    return path


def _command(folder: Path) -> subprocess.CompletedProcess[str]:
    """`hwnas measure` from another shell."""
    # What a login shell and a container set; valgrind and vgdb call their pipes after it.
    names = {"LOGNAME": "somebody", "USER": "somebody", "HOSTNAME": "somewhere"}
    variables = {"HWNAS_DB": "db.sqlite", "A_VARIABLE_OF_ANOTHER_SHELL": "x" * 3000, **names}
    options = ("--cache-misses", "callgrind", "--cache", str(_CACHE))
    return subprocess.run(
        [sys.executable, "-c", _COMMAND, "measure", "plan.yaml", *options],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=1500,
    )


@pytest.fixture(scope="module")
def simulated(folder: Path) -> dict[str, Counter]:
    """The cell on each runtime, and on PyTorch by the command; one after the other.

    Beside another simulation a cell has differed by more than it may.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_WARM_UP_S", "_COUNTED_S"):
            patch.setattr(callgrind, name, _LONG_S)
        counts = {
            backend_id: simulated_misses(backend_id, 1, _CACHE, 1800, _CELL)
            for backend_id in ("torch:cpu:fp32", "openvino:cpu:fp32")
        }
    command = _command(folder)
    assert command.returncode == 0, command.stderr
    with LatencyStore.open(folder / "db.sqlite", read_only=True) as store:
        (measurement,) = (s.measurement for s in store.measurements())
    (by_command,) = (c for c in measurement.counters if c.event == LLC_MISSES)
    return {"command": by_command, **counts}


@needs_valgrind
@pytest.mark.timeout(3600)
def test_a_cell_repeats_from_another_shell(simulated: dict[str, Counter]) -> None:
    """The same within 0.5 %: the runtime whose buffers come from the heap is simulated twice."""
    first, second = simulated["torch:cpu:fp32"], simulated["command"]
    # Where a container forbids fixed addresses, lines meet in other sets each time.
    assert second.value == pytest.approx(first.value, rel=0.005 if fixed_addresses() else 0.05)
    assert (second.source, second.geometry, second.threads) == (first.source, first.geometry, first.threads)


@needs_valgrind
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backend_id", ["torch:cpu:fp32", "openvino:cpu:fp32"])
def test_a_cell_obeys_its_cache(backend_id: str, simulated: dict[str, Counter]) -> None:
    """At the traffic of weights that a small cache cannot hold."""
    found = simulated[backend_id]
    assert (found.source, found.geometry, found.threads) == ("callgrind", "262144,16,64", 1)
    assert found.value is not None
    weights_lines = 2 * 128 * 128 * 9 * 4 / 64
    # PyTorch may read the weights, write them in oneDNN's layout, and read that.
    assert weights_lines < found.value < 4 * weights_lines
    assert found.accesses is not None
    assert found.accesses > found.value


@needs_valgrind
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("simulated")
def test_what_was_simulated_is_not_simulated_again(folder: Path) -> None:
    again = _command(folder)
    assert again.returncode == 0, again.stderr
    assert "already" in again.stdout
    assert "LLC misses (callgrind" in again.stdout
