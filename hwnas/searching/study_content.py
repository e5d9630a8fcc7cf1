"""Whether anything has come of a study."""

from __future__ import annotations

from hwnas.searching.optuna_study import open_storage, quiet


def has_trials(storage: str, study: str) -> bool:
    """Whether a study holds a trial, whatever became of it; False also where there is no such study.

    Args:
        storage: Of the study, a path or URL.
        study: Its name.

    Raises:
        DatabaseError: The storage cannot be opened.
    """
    with quiet():
        opened = open_storage(storage)
        try:
            return opened.get_n_trials(opened.get_study_id_from_name(study)) > 0
        except KeyError:
            return False
