"""How unfinished trainings will end, and which are given up."""

import warnings

import numpy as np
import optuna
import pytest

from hwnas.searching.curve_pruner import CurvePruner
from hwnas.searching.learning_curves import LearningCurves

EPOCHS = 5
#: What an epoch's accuracy scatters about what it would be for the end: much at first, hardly at last.
NOISE = dict(zip(range(1, EPOCHS + 1), (0.2, 0.05, 0.02, 0.004, 0.0), strict=True))


def trained(rng, count):
    """Final accuracies, and curves that come nearer to them from epoch to epoch."""
    finals = rng.normal(0.86, 0.01, count)
    curves = [
        {epoch: final - 0.05 * (EPOCHS - epoch) + rng.normal(0, noise) for epoch, noise in NOISE.items()}
        for final in finals
    ]
    return curves, finals


@pytest.mark.parametrize("count", [6, 30])
def test_ends_are_as_sure_as_said(count):
    rng = np.random.default_rng(0)
    below = {epoch: [] for epoch in NOISE}
    for _ in range(400):
        curves, finals = trained(rng, count + 1)
        known = LearningCurves(curves[:count], finals[:count])
        for epoch in NOISE:
            ending = known.ending(epoch, curves[count][epoch])
            below[epoch].append(ending.chance_above(finals[count]))
    # Chances of what really happened are uniform; of late epochs, which scatter less than ends do, surer.
    for epoch, surest in {1: 0.04, 2: 0.04, 3: 0.04, 4: 0.0}.items():
        assert surest <= np.mean(np.array(below[epoch]) < 0.1) <= 0.16
        assert surest <= np.mean(np.array(below[epoch]) > 0.9) <= 0.16


def test_an_epoch_counts_for_what_it_has_told():
    curves, finals = trained(np.random.default_rng(1), 30)
    known = LearningCurves(curves, finals)
    leads = {
        epoch: known.ending(epoch, np.mean([c[epoch] for c in curves]) - 0.02).mean - np.mean(finals)
        for epoch in NOISE
    }
    assert abs(leads[1]) < 0.002
    assert leads[5] == pytest.approx(-0.02, abs=0.001)
    assert leads[5] < leads[4] < leads[3] < leads[2] < 0.001


def test_an_epoch_that_no_finished_training_had():
    assert LearningCurves([{1: 0.5}], [0.8]).ending(2, 0.9) is None
    assert LearningCurves([], []).ending(1, 0.9) is None
    (alone,) = [LearningCurves([{1: 0.5}], [0.8]).ending(1, 0.5)]
    assert alone.mean == pytest.approx(0.8)


def given_up(pruner, direction="maximize", count=60):
    """Number of a trial -> the epoch at which it was given up; and all final accuracies."""
    sign = 1 if direction == "maximize" else -1
    study = optuna.create_study(direction=direction, pruner=pruner)
    curves, finals = trained(np.random.default_rng(2), count)
    found = {}
    for number, (curve, final) in enumerate(zip(curves, finals, strict=True)):
        trial = study.ask()
        for epoch, accuracy in curve.items():
            trial.report(sign * accuracy, epoch)
            if trial.should_prune():
                found[number] = epoch
                break
        pruned = number in found
        state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
        study.tell(trial, None if pruned else sign * final, state=state)
    return found, finals


def test_good_networks_are_not_given_up_by_chance():
    ours, finals = given_up(CurvePruner(EPOCHS, best=3, startup=5, warmup=2))
    assert min(ours) >= 5
    assert min(ours.values()) >= 2
    best = set(np.argsort(finals)[-10:].tolist())
    median, _ = given_up(optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2))
    assert len(best & ours.keys()) <= 2 < len(best & median.keys())
    # Time is saved all the same.
    assert len(ours) > 20


def test_what_is_minimised_is_given_up_likewise():
    pruners = [CurvePruner(EPOCHS, best=3, startup=5, warmup=2) for _ in range(2)]
    (more, _), (less, _) = (given_up(p, d) for p, d in zip(pruners, ("maximize", "minimize"), strict=True))
    assert more == less


def test_nothing_is_given_up_before_a_trial_reports():
    study = optuna.create_study(direction="maximize", pruner=CurvePruner(EPOCHS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not study.ask().should_prune()
