"""Networks listed by other processes are those listed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from made_up_kernels import convolution, training_set

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError
from hwnas.core.workload import Workload
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.listing import list_kernels
from hwnas.predicting.listing_many import Listed, listed_in_processes
from hwnas.workloads.layer_chain import chain_workload

TORCH = "torch:cpu:fp32"
CHAINS = [chain_workload(f"c{width}k3,n,r|p|l10", 1, 16) for width in (8, 16)]


def test_processes_list_what_this_one_does() -> None:
    missing = Workload("file", "missing.onnx", (1, 3, 8, 8), {"sha256": "0"})
    told: list[str] = []
    asked = [*CHAINS, missing]
    found = {w.key: kernels for w, kernels in listed_in_processes(asked, TORCH, 1, (), 2, told.append)}
    assert found.pop(missing.key) is None
    assert found == {
        w.key: tuple(KernelFacts.of(kernel) for kernel in list_kernels(w, TORCH, 1)) for w in CHAINS
    }
    assert [text.split(":")[0] for text in told] == [f"listed {number} of 3" for number in (1, 2, 3)]


def test_many_are_predicted_from_what_processes_list(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = fit_predictor(
        training_set(2, 3), Environment("A processor", "x86_64", 2, 2**34), trees=2
    ).predictor
    kernels = (KernelFacts.of(convolution(64, 64, 28)),)
    asked: list[Workload] = []

    def listed(workloads: Sequence[Workload], *_: object) -> Iterator[tuple[Workload, Listed]]:
        asked.extend(workloads)
        yield workloads[0], kernels
        yield workloads[1], None

    def refuse(workload: Workload, *_: object) -> None:
        raise CellError(f"{workload.name} cannot be listed")

    monkeypatch.setattr("hwnas.predicting.listing_many.listed_in_processes", listed)
    monkeypatch.setattr("hwnas.predicting.predictor.list_kernels", refuse)
    # What no process could list is asked for again, for its reason.
    with pytest.raises(CellError, match="chain cannot be listed"):
        predictor.predict_many([*CHAINS, CHAINS[0]], processes=2)
    assert asked == CHAINS
    assert predictor.predict_many([CHAINS[0], CHAINS[0]], processes=2)[1].workload == CHAINS[0]
    assert asked == CHAINS
