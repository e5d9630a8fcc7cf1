"""What the networks of a search are made and judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwnas.core.errors import UsageError
from hwnas.jobs.defaults import default_data
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.kept_accuracies import KeptAccuracies
from hwnas.jobs.options import SearchOptions
from hwnas.searching.codes import codes_of
from hwnas.training.accuracy import AccuracyEvaluator
from hwnas.training.datasets import load_data
from hwnas.training.evaluators import find_evaluator
from hwnas.training.image_data import ImageData
from hwnas.training.networks import space_for
from hwnas.training.settings import TrainingSettings
from hwnas.training.tabular import TabularEvaluator
from hwnas.training.trained import TrainedEvaluator
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.space_file import load_space


@dataclass(frozen=True)
class Material:
    """Of a search.

    Args:
        space: Of its networks.
        evaluator: Tells their accuracies.
        data: Images, where it has some.
        epochs: Of a training; None where nobody says.
    """

    space: Space
    evaluator: AccuracyEvaluator
    data: ImageData | None
    epochs: int | None

    def trainer(self, part: Literal["validation", "test"] = "validation") -> TrainedEvaluator | None:
        """What reads or makes the networks' trainings; None where another evaluator tells accuracies.

        Args:
            part: Whose accuracy it tells.
        """
        return self.evaluator.on(part) if isinstance(self.evaluator, TrainedEvaluator) else None


def material_of(options: SearchOptions, folder: SearchFolder) -> Material:
    """Read the data, fit the space to them, and make the evaluator.

    Args:
        options: Of the search.
        folder: Where trainings are kept.

    Raises:
        UnknownName: No such data, space or evaluator.
        UsageError: One of them cannot be used, an option says nothing to the others, or the space has only one
            network.
    """
    name = options.data or default_data(options)
    if name is None and options.image_size is not None:
        raise UsageError(
            f"there are no images to be made {options.image_size} pixels high and wide",
            "Leave --image-size out, or name the images with --data",
        )
    data = None if name is None else load_data(name, image_size=options.image_size)
    settings = None
    if data is not None:
        given = {} if options.epochs is None else {"epochs": options.epochs}
        settings = TrainingSettings.for_images(len(data.train), **given)
    evaluator = find_evaluator(options.accuracy, data=data, settings=settings, folder=folder.trainings)
    if isinstance(evaluator, TabularEvaluator) and options.epochs is not None:
        raise UsageError("a table of accuracies trains nothing", "Leave --epochs out")
    if not isinstance(evaluator, TrainedEvaluator | TabularEvaluator):
        evaluator = KeptAccuracies(evaluator, folder)
    space = load_space(options.space) if data is None else space_for(options.space, data)
    if codes_of(space).combinations < 2:
        raise UsageError(f"the space {space.name} has only one network", "Give its choices more options")
    # How long a function of somebody else's trains, only --epochs can say.
    epochs = evaluator.settings.epochs if isinstance(evaluator, TrainedEvaluator) else options.epochs
    return Material(space, evaluator, data, epochs)
