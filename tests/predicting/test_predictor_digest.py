"""Equal predictors have equal digests, and others have others."""

from __future__ import annotations

from pathlib import Path

from made_up_kernels import training_set

from hwnas.core.environment import Environment
from hwnas.predicting.fitting import fit_predictor
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.predictor_digest import predictor_digest

HERE = Environment("A processor", "x86_64", 2, 2**34)


def fitted(members: int = 3, environment: Environment = HERE) -> LatencyPredictor:
    return fit_predictor(training_set(4, members), environment, trees=3).predictor


def test_what_was_learned_and_where_makes_the_digest(tmp_path: Path) -> None:
    predictor = fitted()
    digest = predictor_digest(predictor)
    assert predictor_digest(predictor) == digest
    assert predictor_digest(LatencyPredictor.load(predictor.save(tmp_path / "kept"))) == digest
    assert predictor_digest(fitted()) == digest
    others = {
        predictor_digest(fitted(members=4)),
        predictor_digest(fitted(environment=Environment("Another", "x86_64", 2, 2**34))),
    }
    assert len(others | {digest}) == 3
