"""How the probabilities of options learn from a network in which one of them runs.

A sampled part passes its result on unchanged. When gradients come back, each option's is the product of the
incoming gradient with what the option would have given, as if its weight in a sum over all options had been
asked for.

Source: H. Cai et al., ProxylessNAS, ICLR 2019 (arXiv:1812.00332), section 3.2.1, equation 4; the softmax is
left to autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Gate(NamedTuple):
    """One choice of a sampled part.

    Args:
        run: ``run(number, x)`` gives the result of a module.
        number: Of the module that ran.
        numbers: Of the module for each option of the choice.
        learns: Whether probabilities get gradients, asked when they are computed.
    """

    run: Callable[[int, Tensor], Tensor]
    number: int
    numbers: tuple[int, ...]
    learns: Callable[[], bool]

    def __call__(self, probabilities: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """`y`, through which gradients reach the probabilities.

        Args:
            probabilities: Of the options, shape ``(options,)``.
            x: What the part reads.
            y: The result of the module that ran.
        """
        passed: Tensor = _Gated.apply(self, probabilities, x.detach(), y)
        return passed


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Gate, probabilities: Tensor, x: Tensor, y: Tensor) -> Tensor:
        ctx.gate = gate
        ctx.save_for_backward(x, y)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None, None, Tensor]:
        (gradient,) = gradients
        gate: Gate = ctx.gate
        if not (ctx.needs_input_grad[1] and gate.learns()):
            return None, None, None, gradient
        x, y = ctx.saved_tensors
        gains: dict[int, Tensor] = {gate.number: (gradient * y).sum()}
        with torch.no_grad():
            for number in gate.numbers:
                if number not in gains:
                    gains[number] = (gradient * gate.run(number, x)).sum()
        return None, torch.stack([gains[number] for number in gate.numbers]), None, gradient
