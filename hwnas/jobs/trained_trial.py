"""One network of a search with its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwnas.core.errors import UsageError
from hwnas.jobs.folder import RESULT, SearchFolder
from hwnas.jobs.options import NETADAPT
from hwnas.training.weights import read_tensors
from hwnas.workloads.models import parse_model
from hwnas.workloads.spaces.space_file import load_space


@dataclass(frozen=True)
class TrainedTrial:
    """A trial that was trained to its end.

    Args:
        number: Of the trial.
        model: The network, as users name it.
        weights: Its file.
        seed: Of the training.
    """

    number: int
    model: str
    weights: Path
    seed: int

    @property
    def record(self) -> dict[str, int]:
        """What goes into ``architecture.json`` beside what the file of the weights tells; JSON-ready."""
        return {"training_seed": self.seed, "trial": self.number}


def trained_trial(folder: SearchFolder, number: int | None) -> TrainedTrial:
    """A trial of a finished search.

    Args:
        folder: Of the search.
        number: Of the trial; None for the winner.

    Raises:
        UsageError: There is no such search or trial, or it left no weights.
    """
    declared = folder.declared()
    record = folder.read(RESULT)
    if declared.options.engine == NETADAPT:
        raise UsageError(
            "a search by netadapt has one network, and its files are in the folder", f"Look into {folder.path}"
        )
    if number is None:
        if record["winner"] is None:
            raise UsageError(f"the search in {folder.path} has no winner", "Name a trial by --trial")
        number = int(record["winner"]["trial"])
    winner = record["winner"]
    seed = declared.options.seed
    if winner is not None and number == winner["trial"] and winner["training_seed"] is not None:
        # The best of its trainings, as in the folder.
        seed = int(winner["training_seed"])
    trials = {trial["number"]: trial for trial in record["search"]["trials"]}
    if number not in trials:
        raise UsageError(f"the search in {folder.path} has no trial {number}", f"It has {len(trials)}, from 0")
    trial = trials[number]
    if trial["repeats"] is not None:
        return trained_trial(folder, int(trial["repeats"]))
    if trial["state"] != "COMPLETE":
        raise UsageError(
            f"trial {number} is {trial['state']}, so there are no weights", "Name one that is COMPLETE"
        )
    model = f"space:{record['search']['space']}:{trial['text']}"
    pattern = f"{parse_model(model).key}-seed{seed}-epochs*.safetensors"
    files = sorted(folder.trainings.glob(pattern))
    if not files:
        if load_space(record["search"]["space"]).digest != record["search"]["digest"]:
            raise UsageError(
                f"the space {record['search']['space']} has changed since the search",
                "Put its file back as it was",
            )
        raise UsageError(
            f"trial {number} left no weights in {folder.trainings}", "Its accuracy was not told by a training"
        )
    read_tensors(files[0])
    return TrainedTrial(number, model, files[0], seed)
