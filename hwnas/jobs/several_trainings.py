"""Finalists trained with several seeds; a training that fails costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from hwnas.core.errors import HwnasError
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.listener import JobListener
from hwnas.jobs.material import Material
from hwnas.jobs.options import SearchOptions
from hwnas.training.accuracy import Accuracy, EpochReport, Pruned
from hwnas.training.several_seeds import MeanAccuracy, mean_accuracy


def trained_with_seeds(
    finalist: Finalist,
    material: Material,
    options: SearchOptions,
    seeds: Sequence[int],
    listener: JobListener,
    note: Callable[[str], None],
) -> Finalist:
    """The finalist with its mean accuracies; trainings that were finished before are read.

    Args:
        finalist: Measured.
        material: Of the search.
        options: Of the search.
        seeds: Of the trainings.
        listener: Told how they go.
        note: Told of a training that failed.
    """
    # Tables say the same to every seed, and so do functions that do not ask for one.
    chosen = seeds if getattr(material.evaluator, "seeded", True) else seeds[:1]
    shape = finalist.workload.input_shape
    network = replace(finalist.workload, input_shape=(1, *shape[1:]))
    by_seed: dict[int, Accuracy] = {}
    for seed in chosen:
        report = partial(_told, listener, finalist.trial.number, seed)
        try:
            by_seed[seed] = material.evaluator.evaluate(
                network, seed=seed, epochs=options.epochs, report=report
            )
        except (HwnasError, Pruned) as error:
            # Nobody here gives a training up, but an evaluator may.
            why = str(error) or "its evaluator gave it up"
            note(f"the finalist of trial {finalist.trial.number} was not trained with seed {seed}: {why}")
    if not by_seed:
        return finalist
    on_test, own = material.trainer("test"), tuple(by_seed)
    return replace(
        finalist,
        chosen_by=MeanAccuracy(tuple(by_seed.values()), own),
        reported=None if on_test is None else mean_accuracy(on_test, network, own, epochs=options.epochs),
    )


def _told(listener: JobListener, number: int, seed: int, epoch: EpochReport) -> None:
    if not epoch.replayed:
        listener.phase(f"finalist of trial {number}, seed {seed}: epoch {epoch.epoch} of {epoch.epochs}")
