"""The winner's files in the folder of a search."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from hwnas.core.workload import Workload
from hwnas.exporting.export import export_network, trained_network
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.options import SearchOptions
from hwnas.training.image_data import ImageData
from hwnas.training.trained import TrainedEvaluator

_PART = ".winner"


def best_seed(winner: Finalist, options: SearchOptions) -> int:
    """Of the training whose weights go out: the most accurate on the images that choose.

    Args:
        winner: Perhaps trained with several seeds.
        options: Of the search.
    """
    if winner.chosen_by is None:
        return options.seed
    values = [accuracy.value for accuracy in winner.chosen_by.accuracies]
    return winner.chosen_by.seeds[values.index(max(values))]


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
    seed = best_seed(winner, options)
    weights = trainer.weights_file(winner.workload, seed=seed)
    assert weights is not None  # the trainer has a folder
    network, _ = trained_network(winner.workload, weights)
    data = trainer.data
    found = data.normalised(data.validation.images[: options.batch]).contiguous()
    # Random ones where there are fewer than a batch.
    images = found if len(found) == options.batch else None
    told = {"training_seed": seed, "trial": winner.trial.number}
    return export_files(folder, winner.workload, network, data, images, told)


def export_files(
    folder: SearchFolder,
    workload: Workload,
    network: nn.Module,
    data: ImageData,
    images: torch.Tensor | None,
    told: Mapping[str, Any],
) -> list[str]:
    """Write a trained network's files into the folder of a search.

    Args:
        folder: Of the search; earlier files are replaced.
        workload: From which the network is built again.
        network: With its weights.
        data: That it was trained on: how its pixels are normalised goes along.
        images: On which the files must agree; None for random ones.
        told: What else goes into ``architecture.json``.

    Returns:
        Names of the files.

    Raises:
        AgreementError: A file computes something else than the network.
        CellError: The network cannot be written in a format.
        UsageError: A file cannot be written.
    """
    part = folder.path / _PART
    # What a kill has left of the moving below is no export any more.
    shutil.rmtree(part, ignore_errors=True)
    export_network(workload, network, part, images=images, force=True, told={**data.record(), **told})
    names = sorted(path.name for path in part.iterdir())
    for name in names:
        (part / name).replace(folder.path / name)
    shutil.rmtree(part)
    return names
