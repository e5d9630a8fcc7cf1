"""What was measured of finalists, kept in the folder of a search: no kill takes a proof back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hwnas.core.errors import UsageError
from hwnas.jobs.feasibility import LatencyProof
from hwnas.jobs.finalists import Finalist
from hwnas.jobs.folder import SearchFolder
from hwnas.measuring.statistics import Estimate
from hwnas.searching.trial import Trial

_FILE = "finalists.json"


@dataclass(frozen=True)
class Choice:
    """What finalists were chosen from; a search that goes on without other trials chooses no others.

    Args:
        complete: Trials that were evaluated to their end.
        finalists: How many were asked for.
        measured: How many were measured of these trials.
        ended: Whether none was left that could win: what is known of latencies later reopens nothing.
    """

    complete: int
    finalists: int
    measured: int = 0
    ended: bool = False


def write_proofs(folder: SearchFolder, host: str, finalists: Iterable[Finalist], choice: Choice) -> None:
    """Keep the proofs of finalists.

    Args:
        folder: Of the search.
        host: Fingerprint of the environment.
        finalists: All of them.
        choice: What they were chosen from.

    Raises:
        UsageError: The file cannot be written.
    """
    told = {
        finalist.trial.text: {
            "proofs": [_proof_record(proof) for proof in finalist.proofs],
            "kernels": list(finalist.kernels),
        }
        for finalist in finalists
    }
    folder.write(_FILE, {"host": host, "choice": asdict(choice), "finalists": told})


def read_choice(folder: SearchFolder, host: str) -> Choice | None:
    """What the finalists of an earlier run were chosen from; None where none was measured on this host.

    Args:
        folder: Of the search.
        host: Fingerprint of the environment.

    Raises:
        UsageError: The file is damaged.
    """
    if not (folder.path / _FILE).exists():
        return None
    told = folder.read(_FILE)
    try:
        return Choice(**told["choice"]) if told["host"] == host else None
    except (LookupError, TypeError) as error:
        raise _damaged(folder, error) from error


def read_proofs(folder: SearchFolder, host: str, trials: Iterable[Trial], make: Any) -> list[Finalist]:
    """Finalists that an earlier run has measured on this host.

    Args:
        folder: Of the search.
        host: Fingerprint of the environment; what was measured on another one is left out.
        trials: Of the search.
        make: Makes the workload of a trial.

    Raises:
        UsageError: The file is damaged.
    """
    if not (folder.path / _FILE).exists():
        return []
    told = folder.read(_FILE)
    by_text = {trial.text: trial for trial in trials if trial.repeats is None and trial.accuracy is not None}
    try:
        if told["host"] != host:
            return []
        return [
            Finalist(
                by_text[text],
                make(by_text[text]),
                tuple(_proof(proof) for proof in found["proofs"]),
                kernels=tuple(found["kernels"]),
            )
            for text, found in told["finalists"].items()
            if text in by_text
        ]
    except (LookupError, TypeError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: SearchFolder, error: Exception) -> UsageError:
    return UsageError(
        f"{folder.path / _FILE} is damaged: {error!r}", "Remove it: the finalists are measured again"
    )


def _proof_record(proof: LatencyProof) -> dict[str, Any]:
    estimate = None if proof.estimate is None else asdict(proof.estimate)
    return {**asdict(proof), "estimate": estimate}


def _proof(told: Mapping[str, Any]) -> LatencyProof:
    estimate = None if told["estimate"] is None else Estimate(**told["estimate"])
    return LatencyProof(**{**told, "estimate": estimate})
