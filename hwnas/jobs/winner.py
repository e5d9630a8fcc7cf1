"""The winner's files in the folder of a search."""

from __future__ import annotations

import shutil

from hwnas.exporting.export import export_network, trained_network
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.options import SearchOptions
from hwnas.training.trained import TrainedEvaluator

_PART = ".winner"


def export_winner(
    folder: SearchFolder, winner: Finalist, trainer: TrainedEvaluator, options: SearchOptions
) -> list[str]:
    """Write the network with the weights of its best training; each file is run and compared first.

    Args:
        folder: Of the search; earlier files of a winner are replaced.
        winner: Trained with several seeds.
        trainer: Knows where the weights are.
        options: Of the search.

    Returns:
        Names of the files in the folder.

    Raises:
        AgreementError: A file computes something else than the network.
        CellError: The network cannot be written in a format.
        UsageError: A file cannot be read or written.
    """
    seeds, best = [options.seed], 0
    if winner.chosen_by is not None:
        values = [accuracy.value for accuracy in winner.chosen_by.accuracies]
        seeds, best = list(winner.chosen_by.seeds), values.index(max(values))
    weights = trainer.weights_file(winner.workload, seed=seeds[best])
    assert weights is not None  # the trainer has a folder
    network, _ = trained_network(winner.workload, weights)
    data = trainer.data
    images = data.normalised(data.validation.images[: options.batch]).contiguous()
    told = {
        "data": data.name,
        "classes": list(data.class_names),
        "pixel_mean": list(data.mean),
        "pixel_deviation": list(data.deviation),
        "training_seed": seeds[best],
        "trial": winner.trial.number,
    }
    if len(images) < options.batch:
        images = None
    part = folder.path / _PART
    export_network(winner.workload, network, part, images=images, force=True, told=told)
    names = sorted(path.name for path in part.iterdir())
    for name in names:
        (part / name).replace(folder.path / name)
    shutil.rmtree(part)
    return names
