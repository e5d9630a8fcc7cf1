"""Equal predictors have equal digests, and others have others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from made_up_kernels import training_set

from hwnas.core.environment import Environment
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.predictor_digest import predictor_digest


def test_what_was_learned_and_where_makes_the_digest(tmp_path: Path) -> None:
    here = Environment("A processor", "x86_64", 2, 2**34)
    predictor = fit_predictor(training_set(4, 3), here, trees=3).predictor
    digest = predictor_digest(predictor)
    assert predictor_digest(predictor) == digest
    kept = predictor.save(tmp_path / "kept")

    def read() -> LatencyPredictor:
        return LatencyPredictor.load(kept, any_host=True)

    assert predictor_digest(read()) == digest
    elsewhere, learned = read(), read()
    elsewhere.environment = Environment("Another", "x86_64", 2, 2**34)
    learned.limits = replace(learned.limits, macs_per_s=2 * learned.limits.macs_per_s)
    assert len({digest, predictor_digest(elsewhere), predictor_digest(learned)}) == 3
