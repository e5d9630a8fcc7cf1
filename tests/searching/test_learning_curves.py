"""How unfinished trainings will end, and which are given up."""

import math
import statistics

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from hwnas.core.errors import UsageError
from hwnas.searching.curve_pruner import CurvePruner
from hwnas.searching.learning_curves import LearningCurves, best_so_far

EPOCHS = 5
#: What an epoch's accuracy falls short of what it would be for the end: much at first, hardly at last.
NOISE = dict(zip(range(1, EPOCHS + 1), (0.2, 0.05, 0.02, 0.004, 0.001), strict=True))
#: Of final accuracies.
SCATTER = 0.01


def trained(rng, count):
    """Curves that come nearer to their end from epoch to epoch, with the accuracy of the best epoch."""
    curves = [
        {epoch: end - 0.03 * (EPOCHS - epoch) - abs(rng.normal(0, noise)) for epoch, noise in NOISE.items()}
        for end in rng.normal(0.8, SCATTER, count)
    ]
    return [(curve, max(curve.values())) for curve in curves]


@pytest.mark.parametrize("count", [6, 30])
def test_ends_are_as_sure_as_said(count):
    rng = np.random.default_rng(0)
    below, widths = ({epoch: [] for epoch in NOISE} for _ in range(2))
    for _ in range(400):
        *known, (curve, final) = trained(rng, count + 1)
        so_far = best_so_far(curve)
        for epoch in NOISE:
            ending = LearningCurves(known).ending(epoch, so_far[epoch])
            below[epoch].append(ending.chance_above(final))
            widths[epoch].append(ending.deviation)
    for epoch in (1, 2, 3):
        # Chances of what really happened are uniform.
        assert 0.04 <= np.mean(np.array(below[epoch]) < 0.1) <= 0.18
        assert 0.04 <= np.mean(np.array(below[epoch]) > 0.9) <= 0.18
    # Late epochs tell more, however few trainings were finished.
    middle = {epoch: statistics.median(found) for epoch, found in widths.items()}
    assert middle[1] > 0.8 * SCATTER
    assert middle[4] < 0.7 * SCATTER
    assert middle[5] < 0.4 * SCATTER


def test_an_epoch_counts_for_what_it_has_told():
    known = trained(np.random.default_rng(1), 30)
    curves = LearningCurves(known)

    def left_of_a_lead(epoch):
        usual = np.mean([best_so_far(curve)[epoch] for curve, _ in known])
        return (curves.ending(epoch, usual).mean - curves.ending(epoch, usual - 0.02).mean) / 0.02

    shares = [left_of_a_lead(epoch) for epoch in NOISE]
    assert abs(shares[0]) < 0.1
    assert shares[4] == pytest.approx(1, abs=0.1)
    assert shares[1] < shares[3]
    assert shares[2] < shares[4]


def test_a_training_that_failed_tells_of_no_other():
    known = trained(np.random.default_rng(2), 12)
    failed = (dict.fromkeys(NOISE, 0.1), 0.1)
    alone, beside = (LearningCurves(found).ending(3, 0.76) for found in (known, [*known, failed]))
    assert beside == alone


def test_too_few_finished_trainings_tell_nothing():
    known = trained(np.random.default_rng(3), 5)
    assert LearningCurves(known[:2]).ending(1, 0.5) is None
    assert LearningCurves(known[:3]).ending(1, 0.5) is not None
    assert LearningCurves(known).ending(EPOCHS + 1, 0.9) is None
    assert LearningCurves([]).ending(1, 0.9) is None
    # What is no number is no accuracy.
    spoiled = [({**curve, 2: math.nan}, final) for curve, final in known]
    assert LearningCurves(spoiled).ending(2, 0.7) is None
    assert math.isfinite(LearningCurves(spoiled).ending(3, 0.7).mean)


def test_epochs_are_those_that_trainings_have_taken():
    early = ({1: 0.5, 2: 0.6}, 0.6)
    late = ({1: 0.5, 2: 0.6, 3: 0.7, 4: 0.7}, 0.7)
    curves = LearningCurves([early, late], given_up=[{1: 0.3}])
    assert curves.begun == 3
    assert curves.mean_epochs() == pytest.approx((2 + 4 + 1) / 3)
    assert [curves.last_epoch(epoch) for epoch in (1, 3, 5)] == [3, 4, 5]


def given_up(pruner, direction="maximize", count=60):
    """Number of a trial -> the epoch at which it was given up; and all final accuracies."""
    sign = 1 if direction == "maximize" else -1
    study = optuna.create_study(direction=direction, pruner=pruner)
    found, finals = {}, []
    for number, (curve, final) in enumerate(trained(np.random.default_rng(2), count)):
        trial = study.ask()
        for epoch, accuracy in curve.items():
            trial.report(sign * accuracy, epoch)
            if trial.should_prune():
                found[number] = epoch
                break
        pruned = number in found
        state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
        study.tell(trial, None if pruned else sign * final, state=state)
        finals.append(final)
    return found, finals


def test_good_networks_are_not_given_up_by_chance():
    ours, finals = given_up(CurvePruner(best=3, startup=5, warmup=2))
    assert min(ours) >= 5
    assert min(ours.values()) >= 2
    best = set(np.argsort(finals)[-10:].tolist())
    median, _ = given_up(optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2))
    assert len(best & ours.keys()) <= 3 < len(best & median.keys())
    # Time is saved all the same, and nothing at the last epoch, where there is none to save.
    assert len(ours) > 20
    assert max(ours.values()) < EPOCHS


def test_what_is_minimised_is_given_up_likewise():
    (more, _), (less, _) = (given_up(CurvePruner(best=3), d) for d in ("maximize", "minimize"))
    assert more
    assert more == less


def test_a_training_that_is_among_the_best_already_goes_on():
    study = optuna.create_study(direction="maximize", pruner=CurvePruner(best=1, startup=3))
    for _, (curve, final) in zip(range(6), trained(np.random.default_rng(4), 6), strict=True):
        trial = study.ask()
        for epoch, accuracy in curve.items():
            trial.report(accuracy, epoch)
        study.tell(trial, final)
    dips = study.ask()
    dips.report(0.95, 1)
    dips.report(0.2, 2)
    assert not dips.should_prune()
    poor = study.ask()
    poor.report(0.2, 3)
    assert poor.should_prune()


def test_epochs_count_by_their_time():
    """The same training is given up where its epochs are slow, and goes on where they are quick."""

    def is_given_up(seconds):
        study = optuna.create_study(direction="maximize", pruner=CurvePruner(startup=3))
        for final in (0.80, 0.81, 0.82, 0.83, 0.84, 0.85):
            curve = {1: final - 0.1, 2: final}
            study.add_trial(create_trial(value=final, intermediate_values=curve, user_attrs={"seconds": 2.0}))
        trial = study.ask()
        if seconds is not None:
            trial.set_user_attr("seconds", seconds)
        # Half a point behind the best one at this epoch.
        trial.report(0.745, 1)
        return trial.should_prune()

    assert [is_given_up(seconds) for seconds in (0.01, 1000.0)] == [False, True]
    # Where nobody knows, they count like those of the others.
    assert is_given_up(None) == is_given_up(1.0)


def test_nothing_is_given_up_before_a_trial_reports():
    study = optuna.create_study(direction="maximize", pruner=CurvePruner())
    assert not study.ask().should_prune()


@pytest.mark.parametrize("name", ["best", "startup", "warmup"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(UsageError, match=f"{name} is 0"):
        CurvePruner(**{name: 0})
