"""What a search takes for options that nobody gave."""

from __future__ import annotations

from typing import Any

from hwnas.jobs.options import NETADAPT, SearchOptions
from hwnas.training.evaluators import TRAIN
from hwnas.training.sources import FOLDER_SIZE

#: Images, where none are named.
DATA = "digits"
#: Networks to evaluate, where no time ends the search.
TRIALS = 20


def default_of(option: str, options: SearchOptions) -> Any:
    """The value that a search takes where the option is None; None where that hangs on data or host, or is any.

    Args:
        option: Name of a field of :class:`hwnas.jobs.options.SearchOptions`.
        options: Of the search.

    Raises:
        UsageError: The folder that the search starts from cannot be read.
    """
    match option:
        case "sampler":
            return _sampler(options.engine)
        case "trials":
            return TRIALS if options.budget_s is None else None
        case "data":
            return default_data(options)
        case "image_size":
            data = options.data or default_data(options) or ""
            return FOLDER_SIZE if data.startswith("folder:") and options.engine != NETADAPT else None
        case _:
            return None


def trials_of(options: SearchOptions) -> int | None:
    """Networks that a search evaluates; None where its time alone says how many."""
    found: int | None = default_of("trials", options) if options.trials is None else options.trials
    return found


def default_data(options: SearchOptions) -> str | None:
    """Name of the images of a search that names none; None where its evaluator needs none.

    Raises:
        UsageError: The folder that the search starts from cannot be read.
    """
    if options.engine == NETADAPT:
        from hwnas.jobs.told_images import ToldImages

        told = ToldImages.of(str(options.start))
        return (told.data if told else None) or DATA
    return DATA if options.accuracy == TRAIN else None


def _sampler(engine: str) -> str | None:
    from hwnas.searching.nni_engine import NNI_DEFAULT
    from hwnas.searching.run import DEFAULT

    return {"optuna": DEFAULT, "nni": NNI_DEFAULT}.get(engine)
