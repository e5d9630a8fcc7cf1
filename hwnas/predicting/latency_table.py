"""The latency of every architecture of a search space as a sum of tables, in seconds.

A space has named choices, each with options. The latency of an architecture is a constant plus one entry of
every factor; which entry, the options of the factor's own choices say. One object is both a term of a loss
(:meth:`LatencyTable.expected`) and a fast lookup (:meth:`LatencyTable.lookup`); at one-hot they agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from hwnas.core.errors import UnknownName, UsageError
from hwnas.core.workload import Scalar
from hwnas.predicting import table_json
from hwnas.predicting.latency_factor import Factor, Place
from hwnas.predicting.min_sum import smallest_sum
from hwnas.predicting.per_choice import (
    Probabilities,
    check_device,
    check_names,
    check_option_indices,
    checked_choices,
    leading_shape,
    option_index,
    probabilities_in_order,
    refuse_repeated,
)

if TYPE_CHECKING:
    from hwnas.workloads.spaces.space import Space

__all__ = ["Factor", "LatencyTable"]

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
#: Architectures looked up at a time: few enough for the processor's cache, enough to hide the cost of a call.
_CHUNK = 8192


class LatencyTable(nn.Module):
    """The latencies of a search space's architectures.

    Seconds stay float64 when the module, or one that holds it, changes its floating-point type: in half
    precision they would be lost. They move with the module to another device; on one without float64, such as
    Apple's MPS, they become float32, which tells sums to a millionth. A ``state_dict`` holds the seconds alone;
    choices and factors travel in :meth:`save`.

    Args:
        choices: Name -> options, in the order in which :meth:`lookup` takes them.
        factors: What is summed. Several may depend on the same choice, and a choice may be without any.
        constant_s: Latency of what no choice changes [s].
        backend: Id of the backend that the seconds are of, such as ``"openvino:cpu:fp32"``.
        host: The machine that they are of, in words.
        batch: Number of images in the inference that takes these seconds.
        deviation: How far predictions of whole networks are from the sums: nine of ten lie within this share of
            them; None where nobody has looked.
        space_digest: Of the space that it was made for (:attr:`hwnas.workloads.spaces.space.Space.digest`), or
            empty.
        guessed: Types of kernels that its predictor has never seen, whose times are guessed from others.

    Attributes:
        choices: Name -> options.
        table_s: All entries of all factors, shape ``(entries,)`` [s].
        constant_s: Shape ``()`` [s].

    Raises:
        UnknownName: A factor depends on a choice that does not exist.
        UsageError: A name or option occurs twice, a factor's shape is not that of its choices, or a number is
            out of range.
    """

    table_s: Tensor
    constant_s: Tensor

    def __init__(
        self,
        choices: Mapping[str, Sequence[Scalar]],
        factors: Sequence[Factor],
        constant_s: float,
        *,
        backend: str,
        host: str,
        batch: int,
        deviation: float | None = None,
        space_digest: str = "",
        guessed: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.choices = checked_choices(choices)
        self.backend, self.host, self.batch, self.deviation = backend, host, batch, deviation
        self.space_digest = space_digest
        self.guessed = tuple(map(str, guessed))
        if not (math.isfinite(constant_s) and constant_s >= 0):
            raise UsageError(f"constant_s is {constant_s}", "Give finite seconds, at least 0")
        if deviation is not None and not (math.isfinite(deviation) and deviation >= 0):
            raise UsageError(f"deviation is {deviation}", "Give a finite share, at least 0, or None")
        if batch < 1:
            raise UsageError(f"batch is {batch}", "Give the number of images in one inference")
        refuse_repeated("factor", [factor.name for factor in factors])
        # Factors of one choice come first: together, their expectation is a single product of vectors.
        ordered = sorted(factors, key=lambda factor: len(factor.choices) > 1)
        self._places: list[Place] = []
        for factor in ordered:
            self._places.append(self._place(factor))
        entries = [factor.seconds.reshape(-1) for factor in ordered]
        nothing = torch.zeros(0, dtype=torch.float64, device="cpu")
        self.register_buffer("table_s", torch.cat([nothing, *entries]))
        self.register_buffer("constant_s", torch.tensor(constant_s, dtype=torch.float64, device="cpu"))

    def _place(self, factor: Factor) -> Place:
        names = list(self.choices)
        for choice in factor.choices:
            if choice not in names:
                raise UnknownName(f"choice of factor {factor.name!r}:", choice, names)
        shape = tuple(len(self.choices[choice]) for choice in factor.choices)
        if shape != tuple(factor.seconds.shape):
            raise UsageError(
                f"factor {factor.name!r} has shape {tuple(factor.seconds.shape)}, but the options of "
                f"{', '.join(factor.choices)} are {' x '.join(map(str, shape))}",
                "Give an entry for each combination of options",
            )
        last = self._places[-1] if self._places else None
        start = last.start + math.prod(last.shape) if last else 0
        return Place(factor.name, tuple(map(names.index, factor.choices)), shape, start, factor.keys)

    def check_space(self, space: Space) -> None:
        """Refuse a space that this is no table of.

        Args:
            space: Whose networks are to be told latencies of.

        Raises:
            UsageError: It has other choices or options, or the same ones and other networks.
        """
        own = {name: set(options) for name, options in self.choices.items()}
        why = ""
        if own != {choice.name: set(choice.options) for choice in space.choices}:
            why = "its choices differ"
        elif self.space_digest not in ("", space.digest):
            why = "it is of one with the same choices, but other networks, such as for images of another size"
        if why:
            raise UsageError(
                f"the latency table is not one of the space {space.name}: {why}",
                "Make it with LatencyPredictor.table(space)",
            )

    @property
    def factors(self) -> tuple[Factor, ...]:
        """What is summed, those of one choice first; copies."""
        names, seconds = list(self.choices), self.table_s.cpu()
        return tuple(
            Factor(p.name, [names[c] for c in p.choices], p.entries(seconds).reshape(p.shape), p.keys)
            for p in self._places
        )

    def forward(self, probabilities: Probabilities) -> Tensor:
        """:meth:`expected`."""
        return self.expected(probabilities)

    def expected(self, probabilities: Probabilities) -> Tensor:
        """Mean latency of architectures whose choices are drawn independently [s].

        A factor gives the sum over its entries of the seconds times the probabilities of the entry's options.
        That is exact, and linear in each choice. Values are not looked at: weights that do not sum to one,
        such as those of a straight-through sample, are taken as they are.

        Source: for factors of one choice, B. Wu et al., FBNet, CVPR 2019 (arXiv:1812.03443), section 3, and H.
        Cai et al., ProxylessNAS, ICLR 2019 (arXiv:1812.00332), section 3.3; for factors of several, the
        probabilities of independent options multiply.

        Args:
            probabilities: For each choice a floating-point tensor of shape ``(..., options)``, by name or in
                the order of :attr:`choices`. Leading dimensions broadcast.

        Returns:
            Shape ``(...)``, differentiable, in the type of the probabilities but float32 at least.

        Raises:
            UnknownName: There is no choice of that name.
            UsageError: A choice is missing, or its tensor has an unfit type, shape or device.
        """
        given = probabilities_in_order(probabilities, self.choices, self.table_s.device)
        batch = leading_shape(given)
        dtype = reduce(torch.promote_types, (p.dtype for p in given), torch.float32)
        # In the type of the seconds, so that one-hot probabilities of any type give what `lookup` gives.
        exact = [p.to(self.table_s.dtype).expand(*batch, p.shape[-1]) for p in given]
        total = self.constant_s.expand(batch).clone()
        single = [place for place in self._places if len(place.choices) == 1]
        if single:
            end = single[-1].start + single[-1].shape[0]
            total = total + torch.cat([exact[p.choices[0]] for p in single], dim=-1) @ self.table_s[:end]
        for place in self._places[len(single) :]:
            total = total + place.expectation(self.table_s, exact)
        return total.to(dtype)

    def lookup(self, indices: Tensor) -> Tensor:
        """Latencies of whole architectures [s].

        Args:
            indices: Shape ``(N, choices)``, integers: which option each choice has, counted from 0, in the
                order of :attr:`choices`. :meth:`indices` makes them.

        Returns:
            Shape ``(N,)``, in the type of the seconds.

        Raises:
            UsageError: Another type, shape or device, or there is no such option.
        """
        if indices.ndim != 2 or indices.shape[1] != len(self.choices) or indices.dtype not in _INTEGERS:
            raise UsageError(
                f"indices have type {indices.dtype} and shape {tuple(indices.shape)}",
                f"Give integers of shape (N, {len(self.choices)}), a column for each choice",
            )
        check_device("indices", indices, self.table_s.device)
        latencies_s = self.constant_s.repeat(len(indices))
        for start in range(0, len(indices), _CHUNK):
            # The options of one choice side by side in memory, since every factor reads them so.
            options = indices[start : start + _CHUNK].t().to(torch.int64).contiguous()
            check_option_indices(options, self.choices)
            sums = latencies_s[start : start + _CHUNK]
            for place in self._places:
                sums.add_(place.entries(self.table_s).index_select(0, place.numbers(options)))
        return latencies_s

    def indices(self, architectures: Iterable[Mapping[str, Scalar]]) -> Tensor:
        """Architectures as :meth:`lookup` takes them: shape ``(N, choices)``, int64, on the table's device.

        Raises:
            UnknownName: There is no such choice or option.
            UsageError: A choice is missing.
        """
        rows = []
        for architecture in architectures:
            check_names(architecture, self.choices)
            rows.append([option_index(name, o, architecture[name]) for name, o in self.choices.items()])
        found = torch.tensor(rows, dtype=torch.int64, device=self.table_s.device)
        return found.reshape(-1, len(self.choices))

    def latency(self, architecture: Mapping[str, Scalar]) -> float:
        """Latency of one architecture, choice -> option [s].

        Raises:
            UnknownName: There is no such choice or option.
            UsageError: A choice is missing.
        """
        return self.lookup(self.indices([architecture])).item()

    def fastest(self) -> tuple[dict[str, Scalar], float]:
        """The architecture of the lowest latency, exactly, and its latency [s].

        Raises:
            UsageError: Too many choices hang on each other (:mod:`hwnas.predicting.min_sum`).
        """
        return self._extreme(1.0)

    def slowest(self) -> tuple[dict[str, Scalar], float]:
        """The architecture of the highest latency, exactly, and its latency [s].

        Raises:
            UsageError: Too many choices hang on each other (:mod:`hwnas.predicting.min_sum`).
        """
        return self._extreme(-1.0)

    def _extreme(self, sign: float) -> tuple[dict[str, Scalar], float]:
        table = sign * self.table_s.cpu()
        terms = [(place.choices, place.entries(table).reshape(place.shape)) for place in self._places]
        found = smallest_sum([len(options) for options in self.choices.values()], terms)
        architecture = {name: o[i] for (name, o), i in zip(self.choices.items(), found, strict=True)}
        return architecture, self.latency(architecture)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; :meth:`from_dict` gives the table back."""
        return {
            **table_json.HEAD,
            "backend": self.backend,
            "host": self.host,
            "batch": self.batch,
            "deviation": self.deviation,
            "space_digest": self.space_digest,
            "guessed": list(self.guessed),
            "constant_s": self.constant_s.item(),
            "choices": [{"name": name, "options": list(o)} for name, o in self.choices.items()],
            "factors": [
                {
                    "name": factor.name,
                    "choices": list(factor.choices),
                    "seconds": factor.seconds.tolist(),
                    "keys": list(factor.keys) if factor.keys is not None else None,
                }
                for factor in self.factors
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_dict`.

        Raises:
            UsageError: Another layout or unit, a key is missing, or a value is out of range.
        """
        return table_json.rebuilt(cls, data)

    def save(self, path: str | Path) -> None:
        """Write a JSON file that :meth:`load` reads; no digit is lost.

        Raises:
            UsageError: The file cannot be written.
        """
        table_json.write(self.to_dict(), path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            UsageError: The file cannot be read or holds no latency table; the message names it.
        """
        data = table_json.read(path)
        try:
            return cls.from_dict(data)
        except UsageError as error:
            raise UsageError(f"{path}: {error.message}", error.hint) from error

    def extra_repr(self) -> str:
        """What `print` says of the table."""
        return (
            f"{len(self.choices)} choices, {len(self._places)} factors, {self.table_s.numel()} entries, "
            f"backend={self.backend!r}, batch={self.batch}"
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Every change of device or type of a module and its parents comes through here.
        def moved(seconds: Tensor) -> Tensor:
            result = fn(seconds)
            return result if result.dtype == seconds.dtype else seconds.to(result.device)

        def held(seconds: Tensor) -> Tensor:
            try:
                return moved(seconds)
            except TypeError:
                # So PyTorch refuses float64 on a device that has none, such as Apple's MPS.
                return moved(seconds.to(torch.float32))

        super()._apply(held, recurse)  # type: ignore[no-untyped-call]
        return self
