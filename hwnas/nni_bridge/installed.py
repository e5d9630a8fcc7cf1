"""What hwnas uses of NNI and Lightning.

They are imported here and nowhere else: after a look at their versions, and without the warnings that NNI's
code of 2023 gives about itself as it is imported, and which nobody can act upon.
"""

from __future__ import annotations

import warnings

from hwnas.nni_bridge.availability import check_nni

check_nni()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nni

    # Before nni.nas.oneshot: otherwise the two import each other, and nni.nas.strategy.DARTS and its like are
    # stubs that refuse to run, for everybody in this process.
    from nni.nas.strategy import GridSearch, Random, RegularizedEvolution

    # isort: split
    from nni.algorithms.hpo.evolution_tuner import EvolutionTuner
    from nni.algorithms.hpo.gridsearch_tuner import GridSearchTuner
    from nni.algorithms.hpo.random_tuner import RandomTuner
    from nni.algorithms.hpo.tpe_tuner import TpeTuner
    from nni.mutable import Categorical, CategoricalMultiple, MutableExpression
    from nni.nas.evaluator import FunctionalEvaluator
    from nni.nas.evaluator.pytorch import DataLoader, Lightning, LightningModule, Trainer
    from nni.nas.execution import SequentialExecutionEngine
    from nni.nas.nn.pytorch import ModelSpace
    from nni.nas.oneshot.pytorch.profiler import ExpectationProfilerPenalty
    from nni.nas.oneshot.pytorch.strategy import DARTS, GumbelDARTS, Proxyless
    from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
    from nni.nas.oneshot.pytorch.supermodule.differentiable import DifferentiableMixedCell
    from nni.nas.oneshot.pytorch.supermodule.proxyless import ProxylessMixedRepeat
    from nni.nas.profiler import ExpressionProfiler
    from nni.nas.space import RawFormatModelSpace, SimplifiedModelSpace, current_model
    from nni.nas.strategy.middleware import Chain, Filter
    from pytorch_lightning import Callback

__all__ = [
    "DARTS",
    "BaseSuperNetModule",
    "Callback",
    "Categorical",
    "CategoricalMultiple",
    "Chain",
    "DataLoader",
    "DifferentiableMixedCell",
    "EvolutionTuner",
    "ExpectationProfilerPenalty",
    "ExpressionProfiler",
    "Filter",
    "FunctionalEvaluator",
    "GridSearch",
    "GridSearchTuner",
    "GumbelDARTS",
    "Lightning",
    "LightningModule",
    "ModelSpace",
    "MutableExpression",
    "Proxyless",
    "ProxylessMixedRepeat",
    "Random",
    "RandomTuner",
    "RawFormatModelSpace",
    "RegularizedEvolution",
    "SequentialExecutionEngine",
    "SimplifiedModelSpace",
    "TpeTuner",
    "Trainer",
    "current_model",
    "nni",
]
