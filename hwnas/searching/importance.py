"""Which choices of a space mattered for the accuracy."""

from __future__ import annotations

import optuna

from hwnas.searching.optuna_study import open_storage, quiet


def choice_importance(storage: str, study: str, seed: int = 0) -> dict[str, float]:
    """Share of the accuracies' variance that each choice explains, the largest first; they add up to 1.

    Empty where too few trials were evaluated, or all of them equally well.

    Source: F. Hutter, H. Hoos, K. Leyton-Brown. An Efficient Approach for Assessing Hyperparameter Importance.
    ICML 2014 (fANOVA), as Optuna computes it.

    Args:
        storage: Of the study, a path or URL.
        study: Its name.
        seed: Of the random forest.
    """
    with quiet():
        opened = optuna.load_study(study_name=study, storage=open_storage(storage))
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        try:
            found = optuna.importance.get_param_importances(
                opened, evaluator=evaluator, target=lambda trial: trial.values[0]
            )
        except (ValueError, RuntimeError, ZeroDivisionError):
            return {}
    return {name: float(share) for name, share in found.items() if share == share}
