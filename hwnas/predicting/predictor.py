"""The latency predictor: networks in, latencies with intervals out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from hwnas.core.environment import Environment
from hwnas.core.errors import CellError, UsageError
from hwnas.core.workload import Workload
from hwnas.host.machine import probe_environment
from hwnas.predicting.asked import MOST_NETWORKS, LiveModule, RecentKernels, declared
from hwnas.predicting.kernel_facts import KernelFacts
from hwnas.predicting.kernel_model import KernelModel
from hwnas.predicting.kernel_predictions import MOST_FAR, Limits, kernel_predictions, unseen_types, warnings_of
from hwnas.predicting.known_networks import KnownNetwork, network_digest
from hwnas.predicting.listing import list_kernels
from hwnas.predicting.network_model import NetworkModel, Sum, add_up
from hwnas.predicting.prediction import Prediction

if TYPE_CHECKING:
    import torch

    from hwnas.predicting.latency_table import LatencyTable
    from hwnas.workloads.spaces.space import Space

#: With more of its time than this in operators that were never seen, a prediction would be a guess.
_MOST_BORROWED = 0.5

__all__ = ["LatencyPredictor", "Limits"]


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
        known: :func:`hwnas.predicting.known_networks.network_digest` -> what was measured of whole networks.
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
        known: Mapping[str, KnownNetwork] = MappingProxyType({}),
    ) -> None:
        self.backend = backend
        self.threads = threads
        self.environment = environment
        self.kernel_model = kernel_model
        self.network_model = network_model
        self.limits = limits
        self.networks = networks
        self.known = known
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

    def predict_many(
        self,
        models: Iterable[Workload | str],
        *,
        processes: int = 1,
        told: Callable[[str], None] = lambda text: None,
    ) -> list[Prediction]:
        """:meth:`predict` for each, in order.

        Args:
            models: Workloads or names.
            processes: Processes that list kernels which are not known yet.
            told: Called with how far they are.

        Raises:
            HwnasError: As of :meth:`predict`, of the first that cannot be predicted; no other is told of then.
        """
        workloads = [declared(model, None)[0] for model in models]
        found: list[Prediction] = []
        # No more at a time than are kept.
        for start in range(0, len(workloads), MOST_NETWORKS):
            part = workloads[start : start + MOST_NETWORKS]
            self.list_many(part, processes=processes, told=told)
            found += [self.predict(workload) for workload in part]
        return found

    def list_many(
        self, workloads: Iterable[Workload], *, processes: int, told: Callable[[str], None] = lambda text: None
    ) -> None:
        """List kernels by several processes, so that :meth:`predict` finds them.

        What cannot be listed is left out: asked for by itself, it gives its reason.

        Args:
            workloads: The networks, at most 256.
            processes: With one, nothing is listed beforehand.
            told: Called with how far they are.
        """
        new = {w.key: w for w in workloads if self._recent.get(w.key) is None and w.kind != "module"}
        if processes < 2 or len(new) < 2:
            return
        from hwnas.predicting.listing_many import listed_in_processes

        geometries = self.kernel_model.geometries
        for workload, kernels in listed_in_processes(
            list(new.values()), self.backend, self.threads, geometries, processes, told
        ):
            if kernels is not None:
                self.keep_kernels(workload, kernels)

    def table(
        self,
        space: Space | str,
        *,
        batch: int = 1,
        whole_networks: int = 20,
        processes: int = 1,
        told: Callable[[str], None] = lambda text: None,
    ) -> LatencyTable:
        """The latencies of a search space's architectures, as a module for a training loop.

        Args:
            space: A space, the name of a shipped one, or the path of a file.
            batch: Images in one inference.
            whole_networks: Architectures that are predicted as a whole: a factor brings the table to them, and
                :attr:`LatencyTable.deviation` says how far off it is then. 0 saves their time.
            processes: That list parts, this one among them; with more than one, a script needs its
                ``if __name__ == "__main__"``.
            told: Called with what is being done, with operators that were never seen in training, and where no
                whole network can be predicted.

        Raises:
            BackendUnavailable: The backend cannot list kernels here.
            CellError: A part cannot be compiled.
            UnknownName: There is no such space.
            UsageError: Its file is wrong, or the batch is below 1.
        """
        from hwnas.predicting.space_table import space_table
        from hwnas.workloads.spaces.space_file import load_space

        found = load_space(space) if isinstance(space, str) else space
        return space_table(
            self, found, batch=batch, whole_networks=whole_networks, processes=processes, told=told
        )

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

    def answer(self, kernels: Sequence[KernelFacts], total: Sum) -> KnownNetwork:
        """Latency and 90 % interval of a network: as it was measured, else as its kernels tell.

        Args:
            kernels: Of the network.
            total: What they come to by :attr:`kernel_model`.
        """
        known = self.known.get(network_digest(kernels, self.kernel_model.free))
        return known or KnownNetwork(self.network_model.latency_s(total), *self.network_model.interval_s(total))

    def _predict(self, workload: Workload, facts: tuple[KernelFacts, ...]) -> Prediction:
        found = self.kernel_model.predict(facts)
        total = add_up(found, facts)
        if not total.time_s:
            raise UsageError(f"{workload.label} has no kernel that takes time", "Give a network that computes")
        told = self.answer(facts, total)
        times_s = self.network_model.kernel_times_s(found)
        kernels = kernel_predictions(facts, found, times_s * (told.latency_s / times_s.sum()), self.limits)
        prediction = Prediction(
            workload=workload,
            backend=self.backend,
            threads=self.threads,
            host=self.environment.fingerprint,
            latency_s=told.latency_s,
            low_s=told.low_s,
            high_s=told.high_s,
            in_range=total.far <= MOST_FAR and not self.elsewhere,
            warnings=tuple(warnings_of(facts, found.sources, total.far, self.elsewhere)),
            kernels=kernels,
            elsewhere=self.elsewhere,
        )
        if prediction.share("borrowed") > _MOST_BORROWED:
            unseen = ", ".join(unseen_types(facts, found.sources))
            raise CellError(
                f"{prediction.share('borrowed'):.0%} of {workload.label} would be in operators that the "
                f"predictor has never seen ({unseen}): that would be a guess",
                "Measure the network, and fit again: hwnas measure --model ..., hwnas fit",
            )
        return prediction
