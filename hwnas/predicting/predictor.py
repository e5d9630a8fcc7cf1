"""The latency predictor: networks in, latencies with intervals out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError, UsageError
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.predicting.asked import LiveModule, RecentKernels, declared
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_model import KernelModel
from hwnas.predicting.listing import list_kernels
from hwnas.predicting.network_model import NetworkModel, add_up
from hwnas.predicting.prediction import KernelPrediction, Prediction

if TYPE_CHECKING:
    import torch

    from hwnas.predicting.latency_table import LatencyTable
    from hwnas.workloads.spaces.space import Space

#: A network with more of its time than this in kernels unlike any in training is out of range,
_MOST_FAR = 0.05
#: and one with more than this in operators that were never seen is not predicted at all: it would be a guess.
_MOST_BORROWED = 0.5


@dataclass(frozen=True)
class Limits:
    """The best that a host's kernels reached in training.

    Args:
        macs_per_s: Multiply-adds a second.
        bytes_per_s: Bytes a second, through whatever caches.
    """

    macs_per_s: float
    bytes_per_s: float


class LatencyPredictor:
    """Predicts latencies of one backend on one host; :meth:`load` reads one, ``hwnas fit`` makes one.

    Args:
        backend: Full id.
        threads: Threads of the backend.
        environment: What it was made for.
        kernel_model: Times of kernels.
        network_model: Calibration on whole networks.
        limits: What its kernels reached at best.
        networks: How many networks it learned from.
    """

    def __init__(
        self,
        backend: str,
        threads: int,
        environment: Environment,
        kernel_model: KernelModel,
        network_model: NetworkModel,
        limits: Limits,
        networks: int,
    ) -> None:
        self.backend = backend
        self.threads = threads
        self.environment = environment
        self.kernel_model = kernel_model
        self.network_model = network_model
        self.limits = limits
        self.networks = networks
        #: How its host differs from the one that it answers for; empty where it does not.
        self.elsewhere = ""
        self._recent = RecentKernels()

    @classmethod
    def load(
        cls, path: str | Path, *, environment: Environment | None = None, any_host: bool = False
    ) -> LatencyPredictor:
        """Read a predictor of this host.

        Args:
            path: Folder that :meth:`save` wrote.
            environment: The host that it is to answer for; None for this one.
            any_host: Take one of another host as well. Its predictions are of that host, and say so: they are
                out of range, with a warning and without a confidence.

        Raises:
            UsageError: It is not there or damaged, has another schema, or was made for another host.
        """
        from hwnas.predicting.predictor_files import load_predictor

        return load_predictor(Path(path), environment or probe_environment(), any_host=any_host)

    def save(self, path: str | Path) -> Path:
        """Write the predictor to a folder of its own, as JSON and NumPy arrays; returns the folder.

        Raises:
            UsageError: The folder cannot be written.
        """
        from hwnas.predicting.predictor_files import save_predictor

        return save_predictor(self, Path(path))

    def predict(
        self,
        model: Workload | str | torch.nn.Module,
        example_input: torch.Tensor | None = None,
        *,
        kernels: Sequence[KernelFacts] | None = None,
    ) -> Prediction:
        """Latency of one network.

        Args:
            model: A workload, a name as ``hwnas measure --model`` takes it, or a module.
            example_input: Float32, batch first; needed for a module, and where a model does not
                tell its input.
            kernels: Its kernels, where they are known already.

        Raises:
            BackendUnavailable: The backend cannot run here, which listing a network's kernels needs.
            CellError: The backend cannot compile the network, or it would be a guess.
            OutOfMemory: The network does not fit into memory.
            UsageError: The model or its input cannot be used.
        """
        workload, live = declared(model, example_input)
        facts = tuple(kernels) if kernels is not None else self.kernels(workload, live)
        return self._predict(workload, facts)

    def predict_many(self, models: Iterable[Workload | str]) -> list[Prediction]:
        """:meth:`predict` for each, in order."""
        return [self.predict(model) for model in models]

    def table(
        self,
        space: Space | str,
        *,
        batch: int = 1,
        whole_networks: int = 20,
        told: Callable[[str], None] = lambda text: None,
    ) -> LatencyTable:
        """The latencies of a search space's architectures, as a module for a training loop.

        Args:
            space: A space, the name of a shipped one, or the path of a file.
            batch: Images in one inference.
            whole_networks: Architectures that are predicted as a whole: a factor brings the table to them, and
                :attr:`LatencyTable.deviation` says how far off it is then. 0 saves their time.
            told: Called with what is being done.

        Raises:
            BackendUnavailable: The backend cannot list kernels here.
            CellError: A part cannot be compiled.
            UnknownName: There is no such space.
            UsageError: Its file is wrong.
        """
        from hwnas.predicting.space_table import space_table
        from hwnas.workloads.spaces.space_file import load_space

        found = load_space(space) if isinstance(space, str) else space
        return space_table(self, found, batch=batch, whole_networks=whole_networks, told=told)

    def kernels(self, workload: Workload, live: LiveModule | None = None) -> tuple[KernelFacts, ...]:
        """The kernels of a network, listed once: those of the networks asked for last are kept.

        Args:
            workload: The network.
            live: Its module, where it is one; what :func:`hwnas.predicting.asked.declared` gives.

        Raises:
            BackendUnavailable: The backend cannot run here, which listing a network's kernels needs.
            CellError: It cannot compile the network.
            OutOfMemory: The network does not fit into memory.
            UsageError: The model or its input cannot be used.
        """
        known = self._recent.get(workload.key)
        if known is None:
            blob = live.dumped() if live else b""
            geometries = self.kernel_model.geometries
            listed = list_kernels(workload, self.backend, self.threads, blob, geometries)
            known = self.keep_kernels(workload, map(KernelFacts.of, listed))
        return known

    def keep_kernels(self, workload: Workload, kernels: Iterable[KernelFacts]) -> tuple[KernelFacts, ...]:
        """Keep what was listed elsewhere, so that :meth:`predict` need not list it; returns it."""
        return self._recent.keep(workload.key, tuple(kernels))

    def kernel_times_s(self, kernels: Sequence[KernelFacts]) -> np.ndarray:
        """Calibrated time of each kernel, shape ``(n,)`` [s]: they add up to a latency."""
        found = self.kernel_model.predict(kernels)
        return self._calibrated(found.times_s)

    def _calibrated(self, times_s: np.ndarray) -> np.ndarray:
        model = self.network_model
        return np.asarray(model.factor * times_s + model.per_kernel_s * (times_s > 0))

    def _predict(self, workload: Workload, facts: tuple[KernelFacts, ...]) -> Prediction:
        found = self.kernel_model.predict(facts)
        total = add_up(found, [k.category for k in facts])
        if not total.time_s:
            raise UsageError(f"{workload.label} has no kernel that takes time", "Give a network that computes")
        times_s = self._calibrated(found.times_s)
        kernels = tuple(
            KernelPrediction(
                position=place,
                type=k.type,
                shapes=_shapes(k),
                time_s=float(time_s),
                source=source,
                in_range=bool(inside),
                compute_s=k.macs / self.limits.macs_per_s,
                memory_s=k.bytes / self.limits.bytes_per_s,
            )
            for place, (k, time_s, source, inside) in enumerate(
                zip(facts, times_s, found.sources, found.in_range, strict=True)
            )
        )
        low_s, high_s = self.network_model.interval_s(total)
        prediction = Prediction(
            workload=workload,
            backend=self.backend,
            threads=self.threads,
            host=self.environment.fingerprint,
            latency_s=self.network_model.latency_s(total),
            low_s=low_s,
            high_s=high_s,
            in_range=total.far <= _MOST_FAR and not self.elsewhere,
            warnings=tuple(_warnings(facts, found.sources, total.far, self.elsewhere)),
            kernels=kernels,
            elsewhere=self.elsewhere,
        )
        if prediction.share("borrowed") > _MOST_BORROWED:
            unseen = sorted({k.type for k, s in zip(facts, found.sources, strict=True) if s == "borrowed"})
            raise CellError(
                f"{prediction.share('borrowed'):.0%} of {workload.label} would be in operators that the "
                f"predictor has never seen ({', '.join(unseen)}): that would be a guess",
                "Measure the network, and fit again: hwnas measure --model ..., hwnas fit",
            )
        return prediction


def _shapes(kernel: KernelFacts) -> str:
    def text(shape: tuple[int, ...]) -> str:
        return "x".join(map(str, shape)) or "scalar"

    window = f" {kernel.window[0]}x{kernel.window[1]}" if kernel.window != (1, 1) else ""
    groups = f" groups {kernel.groups}" if kernel.groups > 1 else ""
    first = text(kernel.inputs[0]) if kernel.inputs else ""
    return f"{first} -> {text(kernel.output)}{window}{groups}"


def _warnings(
    facts: Sequence[KernelFacts], sources: Sequence[str], far: float, elsewhere: str
) -> Iterable[str]:
    if elsewhere:
        yield (
            f"the predictor was {elsewhere}: latency and interval are of that host; hwnas measure and hwnas "
            "fit make a predictor of this one"
        )
    unseen = sorted({k.type for k, source in zip(facts, sources, strict=True) if source == "borrowed"})
    if unseen:
        yield f"never seen in training, and guessed from other kernels: {', '.join(unseen)}"
    if far > _MOST_FAR:
        yield f"{far:.0%} of the time is in kernels outside the range of those in training"
