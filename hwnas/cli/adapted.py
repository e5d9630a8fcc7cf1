"""`hwnas fit --from`: adapt another host's predictor with a few measurements of this one."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from hwnas.cli.progress import watcher_for
from hwnas.core.errors import UsageError
from hwnas.host.lock import measuring_lock
from hwnas.host.machine import probe_environment
from hwnas.measuring.experiment import check_threads
from hwnas.predicting.locating import own_folder
from hwnas.predicting.measuring_more import measure_workloads
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.training_set import read_training_set
from hwnas.predicting.transfer import adapt, choose_samples
from hwnas.predicting.transfer_gain import Gain, gain
from hwnas.store import LatencyStore
from hwnas.workloads.catalogue import NETWORKS
from hwnas.workloads.patterns import PATTERNS, pattern_workload


def fit_from(source: Path, samples: int, out: Path | None, db: str | None, console: Console) -> None:
    """Choose and measure samples, adapt, keep, and say what was gained.

    Raises:
        UsageError: The predictor cannot be read, there are fewer networks than samples, or a predictor that has
            learned from more networks would be replaced.
    """
    known = LatencyPredictor.load(source, any_host=True)
    check_threads(known.threads)
    here = probe_environment()
    folder = out or own_folder(here, known.backend, known.threads)
    _keep_the_better(folder, samples)
    candidates = [n.workload() for n in NETWORKS.values()]
    candidates += [
        pattern_workload(name, depth=depth, width=width, resolution=size)
        for name in PATTERNS
        for depth, width, size in ((4, 64, 56), (4, 128, 28), (4, 256, 14))
    ]
    if samples > len(candidates):
        raise UsageError(f"--samples {samples} is more than there are networks", f"At most {len(candidates)}")
    with measuring_lock("hwnas fit --from"), LatencyStore.open(db) as store:
        with console.status("compiling candidates") as status:
            chosen = choose_samples(known, candidates, samples, status.update)
        with watcher_for(console) as watcher:
            measure_workloads(store, here, chosen, [known.backend], known.threads, watcher)
        training = read_training_set(store, here.fingerprint, known.backend, known.threads, fewest=1)
    keys = {w.key for w in chosen}
    used = [n for n in training.networks if n.workload.key in keys]
    adapted = adapt(known, used, here)
    # Some of the samples may have failed.
    _keep_the_better(folder, len(used))
    adapted.save(folder)
    console.print(
        f"{known.backend}: adapted from {known.environment.cpu_model} ({known.environment.fingerprint}) with "
        f"{len(used)} networks of this host; kept in {folder}",
        soft_wrap=True,
    )
    with console.status("what was gained") as status:
        found = gain(known, training, keys, here, told=status.update)
    console.print(_told(found), soft_wrap=True)


def _keep_the_better(folder: Path, networks: int) -> None:
    """Refuse to replace what has learned from more than so many networks."""
    try:
        there = LatencyPredictor.load(folder, any_host=True)
    except UsageError:
        return  # none, or one that nobody can read
    if there.networks > networks:
        raise UsageError(
            f"{folder} has a predictor that learned from {there.networks} networks, and one of {networks} "
            "would replace it",
            "Keep the new one elsewhere with --out DIR, or remove that folder",
        )


def _told(found: Gain | None) -> str:
    if found is None:
        return "What was gained is not known: that takes two samples, or other networks of this host"
    compared = (
        f"the {found.networks} samples, each left out in turn"
        if found.left_out
        else f"the {found.networks} other networks of this host in the database"
    )
    scratch = "nothing to learn from" if found.scratch is None else f"{found.scratch:.1%}"
    return (
        f"Mean error on {compared}: {found.adapted:.1%}; learned from the same samples alone: {scratch}; "
        f"the other host's as it was: {found.source:.1%}"
    )
