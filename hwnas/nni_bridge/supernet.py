"""Supernets of our spaces for NNI's one-shot searches: DARTS, GumbelDARTS and Proxyless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hwnas.core.errors import UsageError
from hwnas.core.workload import Scalar
from hwnas.nni_bridge.gate import Gate
from hwnas.nni_bridge.installed import DARTS, BaseSuperNetModule, ModelSpace, Proxyless, nni
from hwnas.nni_bridge.mixture import MixtureChain, mixtures
from hwnas.nni_bridge.samples import architecture_of, found_space, options_by_label
from hwnas.workloads.spaces.space import Space


class SupernetSpace(ModelSpace):
    """All networks of a space in one, as NNI's ``ModelSpace``.

    NNI's ``DARTS``, ``GumbelDARTS`` and ``Proxyless`` take it as they take any model space. Every choice of the
    space has its own architecture parameters, which all parts that depend on it share, so that the
    probabilities are those that a latency table asks for. ``freeze(sample)`` builds the network of the sample
    anew: weights of the supernet do not go into it.

    Args:
        space: A space of the kind ``patterns`` or ``mbconv``, or its name, or the path of its file.

    Raises:
        UnknownName: No such space.
        UsageError: Another kind of space, or its file cannot be used.
    """

    def __init__(self, space: Space | str) -> None:
        super().__init__()
        self.space = found_space(space)
        for label, options in options_by_label(self.space).items():
            self.add_mutable(nni.choice(label, options))
        chain = MixtureChain(self.space)
        self.training_bytes = chain.training_bytes
        #: Replaced by NNI's strategies.
        self.chain: nn.Module = chain

    def forward(self, images: Tensor) -> Tensor:
        """``(n, channels, height, width)`` to ``(n, classes)``."""
        scores: Tensor = self.chain(images)
        return scores

    def freeze(self, sample: Mapping[str, Any]) -> nn.Module:
        """The network of a sample, with new random weights, in training mode.

        Args:
            sample: Choice -> option.

        Raises:
            SampleValidationError: Of NNI: not a sample of this space.
        """
        self.validate(sample)
        return self.space.network(architecture_of(self.space, sample))

    def extra_oneshot_hooks(self, strategy: Any) -> list[Any]:
        """What NNI's strategy replaces the chain of parts by.

        Args:
            strategy: Of NNI.

        Raises:
            UsageError: Not one of those that a supernet is made for.
        """
        if not isinstance(strategy, DARTS):
            raise UsageError(
                f"{type(strategy).__name__} cannot search a SupernetSpace",
                "Take DARTS, GumbelDARTS or Proxyless",
            )
        kind = SampledNetwork if isinstance(strategy, Proxyless) else MixedNetwork

        def replaced(module: nn.Module, name: str, memo: dict[str, Any], given: dict[str, Any]) -> Any:
            if type(module) is MixtureChain:
                return kind(module, [memo[label] for label in module.options], given["softmax"])
            return None

        return [replaced]


class _Network(BaseSuperNetModule):
    """Parts in all their options, and the architecture parameters of the choices.

    Args:
        chain: Its parts are taken over.
        alphas: For each choice, shape ``(options,)``.
        softmax: From those to probabilities.
    """

    def __init__(self, chain: MixtureChain, alphas: Sequence[nn.Parameter], softmax: nn.Module) -> None:
        super().__init__()
        self.parts = chain.parts
        self.options = chain.options
        self.alphas = nn.ParameterList(alphas)
        self.softmax = softmax

    def arch_parameters(self) -> Iterator[nn.Parameter]:
        """Those of the choices."""
        yield from self.alphas

    def probabilities(self) -> dict[str, Tensor]:
        """Choice -> shape ``(options,)``, differentiable; Gumbel's softmax draws them anew each time."""
        return {name: self.softmax(alpha) for name, alpha in zip(self.options, self.alphas, strict=True)}

    def resample(self, memo: Mapping[str, Any]) -> dict[str, Scalar]:
        """Nothing is drawn: all options run."""
        return {}

    def export(self, memo: Mapping[str, Any]) -> dict[str, Scalar]:
        """The likeliest option of every choice that is not in `memo`."""
        alphas = zip(self.options.items(), self.alphas, strict=True)
        return {name: o[int(alpha.argmax())] for (name, o), alpha in alphas if name not in memo}

    def export_probs(self, memo: Mapping[str, Any]) -> dict[str, dict[Scalar, Tensor]]:
        """Choice -> option -> how likely it is, differentiable, for every choice that is not in `memo`."""
        alphas = zip(self.options.items(), self.alphas, strict=True)
        return {
            name: dict(zip(o, alpha.softmax(-1), strict=True))
            for (name, o), alpha in alphas
            if name not in memo
        }


class MixedNetwork(_Network):
    """All options run, and their results are mixed.

    Source: H. Liu et al., DARTS, ICLR 2019 (arXiv:1806.09055), section 2.2; with Gumbel's softmax: B. Wu et
    al., FBNet, CVPR 2019 (arXiv:1812.03443), section 3.2.
    """

    def forward(self, images: Tensor) -> Tensor:
        """``(n, channels, height, width)`` to ``(n, classes)``."""
        probabilities = self.probabilities()
        for part in mixtures(self.parts):
            images = part.mixed(images, probabilities)
        return images


class SampledNetwork(_Network):
    """One option of every choice runs; the others run when gradients of the choices are asked for.

    Source: H. Cai et al., ProxylessNAS, ICLR 2019 (arXiv:1812.00332), section 3.2.

    Attributes:
        learns: Whether gradients reach the architecture parameters.
    """

    def __init__(self, chain: MixtureChain, alphas: Sequence[nn.Parameter], softmax: nn.Module) -> None:
        super().__init__(chain, alphas, softmax)
        self.learns = True
        self._chosen = dict.fromkeys(self.options, 0)

    def resample(self, memo: Mapping[str, Any]) -> dict[str, Scalar]:
        """Draw an option of every choice, or take it from `memo`."""
        drawn = {}
        for (name, options), alpha in zip(self.options.items(), self.alphas, strict=True):
            if name in memo:
                self._chosen[name] = options.index(memo[name])
                continue
            self._chosen[name] = int(torch.multinomial(alpha.detach().softmax(-1), 1))
            drawn[name] = options[self._chosen[name]]
        return drawn

    def forward(self, images: Tensor) -> Tensor:
        """``(n, channels, height, width)`` to ``(n, classes)``."""
        probabilities, chosen = self.probabilities(), dict(self._chosen)
        for part in mixtures(self.parts):
            number = part.number(chosen)
            y = part.run(number, images)
            for name in part.choices:
                numbers = part.alternatives(chosen, name)
                if len(set(numbers)) > 1:
                    gate = Gate(part.run, number, tuple(numbers), lambda: self.learns)
                    y = gate(probabilities[name], images, y)
            images = y
        return images
