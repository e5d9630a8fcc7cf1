"""What tells a search the latencies of its networks: the host's predictor, and a few measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hwnas.core.environment import Environment
from hwnas.core.errors import UsageError
from hwnas.jobs.folder import SearchFolder
from hwnas.jobs.host_timer import HostTimer
from hwnas.jobs.listener import JobListener
from hwnas.jobs.options import SearchOptions
from hwnas.predicting.latency_table import LatencyTable
from hwnas.predicting.locating import NoPredictor, find_predictor, predictor_name
from hwnas.predicting.predictor import LatencyPredictor
from hwnas.predicting.predictor_digest import predictor_digest
from hwnas.searching.cost_model import CostModel
from hwnas.searching.counted_cost import CountedCost
from hwnas.searching.learned_latency import LearnedLatency
from hwnas.searching.limit import Limit
from hwnas.searching.predicted_latency import PredictedLatency
from hwnas.workloads.spaces.choice import Architecture
from hwnas.workloads.spaces.space import Space
from hwnas.workloads.spaces.workload import space_workload

#: Standard deviation of the logarithm of a latency that one pass has measured: between corrected passes of one
#: network 3.1 % on OpenVINO and 5.0 % on PyTorch (docs/benchmarks.md, predict_host). That is the usual spread
#: between passes (:data:`hwnas.measuring.statistics.PASS_SPREAD`) and some noise within one. A pass's own
#: interval tells more only where the host was far from its reference speed; the model takes one error for all.
MEASURED_ERROR = 0.035
#: Of the networks that may be measured, this share to begin with, and no more than so many: fewer where a
#: predictor says the rest, and fewer still where the networks of a front will be measured as they are found.
_FIRST_SHARE, _MOST_FIRST, _MOST_FIRST_PREDICTED, _MOST_FIRST_OF_FRONT = 2 / 3, 16, 10, 5
#: Networks less likely within a limit than this are measured before they are trained: that takes seconds.
_SURE = 0.99


def latency_models(
    options: SearchOptions,
    space: Space,
    timer: HostTimer,
    folder: SearchFolder,
    listener: JobListener,
    *,
    told: Callable[[str], None],
    processes: int = 1,
) -> dict[str, CostModel]:
    """Backend -> what tells its latencies, for every backend of the search.

    Where a predictor suits the host, measurements correct its word; where none does, they are all there is.

    Args:
        options: Of the search.
        space: Whose networks.
        timer: Measures.
        folder: Keeps the predictor's tables, which take a while to make.
        listener: Told how the tables come on.
        told: Called with what each backend's latencies are predicted by, and with what of it is guessed.
        processes: That make a predictor's table (:meth:`LatencyPredictor.table`).

    Raises:
        UsageError: The predictor that was named cannot be used, or nothing is to be measured and there is none.
    """
    tables = _Tables(space, options.batch, timer.environment.fingerprint, folder, listener, processes)
    return {backend: _model(options, space, timer, backend, tables, told) for backend in options.backends}


def _model(
    options: SearchOptions,
    space: Space,
    timer: HostTimer,
    backend: str,
    tables: _Tables,
    told: Callable[[str], None],
) -> CostModel:
    predictor = _predictor(options, timer, backend, told)
    predicted = None
    if predictor is not None:
        table = tables.of(predictor)
        if table.guessed:
            # The table is read again when the search goes on, so this is told whenever it is used.
            told(
                f"{backend}: never seen by the predictor, and guessed from other kernels: "
                f"{', '.join(table.guessed)}"
            )
        predicted = PredictedLatency(space, predictor, batch=options.batch, table=table)
    if options.measurements == 0:
        if predicted is None:
            raise UsageError(
                f"there is no predictor of {backend} at {options.threads} thread(s), and nothing is to be "
                "measured",
                "Make one by hwnas fit, or give --measurements",
            )
        return predicted
    most_first = _MOST_FIRST
    if predicted is not None:
        most_first = _MOST_FIRST_PREDICTED if options.limited else _MOST_FIRST_OF_FRONT
    return LearnedLatency(
        space,
        partial(_measure, timer, space, backend, options.batch),
        name=f"latency {backend}",
        budget=options.measurements,
        first=max(2, min(most_first, round(_FIRST_SHARE * options.measurements))),
        error=MEASURED_ERROR,
        prior=predicted,
        near=options.max_latency_s.get(backend),
        seed=options.seed,
    )


def _measure(
    timer: HostTimer, space: Space, backend: str, batch: int, architectures: Sequence[Architecture]
) -> list[float | None]:
    return timer.quick([space_workload(space, a, batch=batch) for a in architectures], backend)


@dataclass(frozen=True)
class _Tables:
    """What predictors say of the parts of the space."""

    space: Space
    batch: int
    host: str
    folder: SearchFolder
    listener: JobListener
    processes: int

    def of(self, predictor: LatencyPredictor) -> LatencyTable:
        """Made once in the life of a search, host and predictor."""
        own = predictor_name(predictor.backend, predictor.threads)
        name = f"{own}-{self.host}-{predictor_digest(predictor)}.json"
        path = self.folder.tables / name
        if path.exists():
            return LatencyTable.load(path)
        self.listener.phase(f"predicting the parts of {self.space.name} for {predictor.backend}")
        # The search compares the table with whole networks: those that are measured to begin with.
        table = predictor.table(
            self.space,
            batch=self.batch,
            whole_networks=0,
            processes=self.processes,
            told=self.listener.phase,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".part-{name}")
        table.save(part)
        part.replace(path)
        return table


def _predictor(
    options: SearchOptions, timer: HostTimer, backend: str, told: Callable[[str], None]
) -> LatencyPredictor | None:
    named = named_predictor(options, timer.environment)
    if named is not None and named.backend == backend:
        return named
    try:
        predictor, note = find_predictor(timer.environment, backend, options.threads)
    except NoPredictor as error:
        told(f"{error.message}, so latencies are learned from measurements alone")
        return None
    told(f"{backend}: the predictor was {note}" if note else f"{backend}: this host's predictor")
    return predictor


def named_predictor(options: SearchOptions, environment: Environment) -> LatencyPredictor | None:
    """The predictor that the user has named, if any.

    Raises:
        UsageError: It cannot be read, or is of another host, backend or number of threads.
    """
    if options.predictor is None:
        return None
    found = LatencyPredictor.load(Path(options.predictor), environment=environment)
    if found.backend not in options.backends or found.threads != options.threads:
        raise UsageError(
            f"the predictor in {options.predictor} is of {found.backend} at {found.threads} thread(s), and the "
            f"search is about {', '.join(options.backends)} at {options.threads}",
            "Name another predictor, or leave it out",
        )
    return found


def limits_of(options: SearchOptions, space: Space, models: dict[str, CostModel]) -> list[Limit]:
    """The limits of a search, latencies first.

    Args:
        options: Of the search.
        space: Whose networks.
        models: Backend -> what tells its latencies.
    """
    sure = max(_SURE, options.confidence)
    latencies = [
        Limit(models[b], most, options.confidence, measured_below=sure)
        for b, most in options.max_latency_s.items()
    ]
    counted = [
        Limit(CountedCost(space, name, batch=options.batch), most, options.confidence)
        for name, most in options.max_count.items()
    ]
    return [*latencies, *counted]
