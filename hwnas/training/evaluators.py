"""Evaluators by name, as ``--accuracy`` takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.named_function import is_function_name
from hwnas.core.registry import Registry
from hwnas.training.accuracy import AccuracyEvaluator
from hwnas.training.settings import TrainingSettings

if TYPE_CHECKING:
    from hwnas.training.image_data import ImageData

#: Name of the evaluator that trains.
TRAIN = "train"
FORMS = "train, table:FILE.csv,architecture=COLUMN,accuracy=COLUMN,unit=percent or package.module:function"
_TABLE_FORM = "Write table:FILE.csv,architecture=COLUMN,accuracy=COLUMN, and unit=percent where it is"

#: What stands before a colon, or alone -> a :data:`Maker`.
EVALUATORS = Registry(
    "accuracy evaluator",
    "hwnas.accuracy",
    {TRAIN: "hwnas.training.evaluators:make_trained", "table": "hwnas.training.evaluators:make_tabular"},
)


@dataclass(frozen=True)
class Means:
    """What a search gives an evaluator.

    Args:
        argument: What stands behind the colon of its name; empty where nothing does.
        data: Images, where the search has some.
        settings: Of trainings; None for those that suit the data.
        folder: For what is to outlive a kill; None for nothing.
    """

    argument: str = ""
    data: ImageData | None = None
    settings: TrainingSettings | None = None
    folder: Path | None = None


#: What entry points of the group ``hwnas.accuracy`` name.
Maker = Callable[[Means], AccuracyEvaluator]


def find_evaluator(
    name: str = "train",
    *,
    data: ImageData | None = None,
    settings: TrainingSettings | None = None,
    folder: Path | None = None,
) -> AccuracyEvaluator:
    """The evaluator that a user names.

    Args:
        name: ``train``, ``table:FILE.csv,architecture=COLUMN,accuracy=COLUMN,unit=percent``,
            ``package.module:function``, or the name of an installed package's own.
        data: Images to train on.
        settings: Of trainings; None for those that suit the data.
        folder: For checkpoints and weights; None to keep nothing.

    Raises:
        UnknownName: No such evaluator.
        UsageError: It cannot be made.
    """
    first, _, argument = name.partition(":")
    if first in EVALUATORS.names():
        make: Maker = EVALUATORS.load(first)
        return make(Means(argument, data, settings, folder))
    if is_function_name(name):
        from hwnas.training.own_function import OwnEvaluator

        return OwnEvaluator(name)
    raise UnknownName("accuracy evaluator", name, [*EVALUATORS.names(), "package.module:function"])


def make_trained(means: Means) -> AccuracyEvaluator:
    """Trains networks; takes no argument.

    Raises:
        UsageError: There are no data, or an argument was given.
    """
    from hwnas.training.trained import TrainedEvaluator

    if means.argument:
        raise UsageError(
            f"the evaluator train takes nothing behind a colon, not {means.argument!r}", "Write train"
        )
    if means.data is None:
        raise UsageError("there are no images to train on", "Name a data set, such as digits")
    return TrainedEvaluator(means.data, means.settings, means.folder)


def make_tabular(means: Means) -> AccuracyEvaluator:
    """Looks accuracies up in the file of the argument.

    Raises:
        UnknownName: No such column or unit.
        UsageError: The argument or the file cannot be read.
    """
    from hwnas.training.tabular import TabularEvaluator

    path, *pairs = means.argument.split(",")
    given = dict(pair.partition("=")[::2] for pair in pairs)
    for key in given:
        if key not in ("architecture", "accuracy", "unit"):
            raise UnknownName("key of a table of accuracies", key, ("architecture", "accuracy", "unit"))
    if not path or not {"architecture", "accuracy"} <= given.keys():
        raise UsageError(f"the table {means.argument!r} lacks its file or a column", _TABLE_FORM)
    return TabularEvaluator(path, **given)
