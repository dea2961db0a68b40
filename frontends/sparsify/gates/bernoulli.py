"""Variational Bernoulli gates: units are dropped at random, with probabilities that are learned and end at 0 or 1.

The output of a unit is multiplied by xi, which is 1 with probability theta and 0 otherwise,

    x' = xi relu(x),   xi ~ Bernoulli(theta),

one sample per unit and minibatch. Weights and theta minimise E[C] - sum_i log gamma_i theta_i, with C the error. The
derivative of E[C] in theta is E[C(xi = 1) - C(xi = 0)]; dC/dxi at the sample drawn stands for it (straight through),
and theta takes projected gradient steps,

    theta <- min(max(theta - rate (dC/dxi - log gamma), 0), 1).

With gamma < 1 the sum pulls every theta to 0, and units that do not pay for themselves follow. gamma is one for each
layer, by the parameters p that leave with one of its units (its row, its bias, the columns that read it), relative to
the mean over all units:

    -log gamma = penalty_weight  p / mean(p).

Units whose theta falls below `threshold` become zero for good, while training goes on. So a member can have fewer units
than its round asked for; where it has more, those of the smallest theta go.

Source: Guenter and Sideris, Robust Learning of Parsimonious Deep Neural Networks, 2022, and Complexity-Aware
Training of Deep Neural Networks for Optimal Structure Discovery, 2024. Their Gaussian prior of the weights, an L2 term,
is left out, as in the other families.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import torch
from torch import Tensor, nn

from relu2mip.frontends.sparsify.gates.family import Gate, GateFamily, Kind, check, gates_of
from relu2mip.frontends.sparsify.gates.weights import smallest_first, unit_parameters


@dataclass(frozen=True)
class Bernoulli(GateFamily):
    """Every unit kept or dropped with a learned probability (Guenter & Sideris 2024).

    penalty_weight: the price of a unit of mean size, -log gamma.  rate: the step of theta against the gradient.
    initial: theta at the start.  threshold: below it a unit becomes zero.

    Raises `InvalidOption` for a value out of range.
    """

    penalty_weight: float = 1e-3
    rate: float = 0.1
    initial: float = 0.8
    threshold: float = 0.1
    name: ClassVar[str] = "bernoulli"
    straightens: ClassVar[bool] = False

    def __post_init__(self) -> None:
        weight, start = self.penalty_weight, self.initial
        check(
            self.name,
            penalty_weight=(weight, isfinite(weight) and weight >= 0, "a finite number, at least 0"),
            rate=(self.rate, isfinite(self.rate) and self.rate > 0, "a positive number"),
            threshold=(self.threshold, 0 <= self.threshold < 1, "a probability, at least 0 and below 1"),
            initial=(start, self.threshold < start <= 1, "a probability above the threshold"),
        )

    def gate(self, size: int, axis: int) -> Gate:
        """A gate of units that are kept or dropped."""
        return BernoulliGate(size, axis, self.initial)

    def attach(self, network: nn.Module) -> None:
        """Note what a unit of each gate costs."""
        gates, costs = _gates(network), unit_parameters(network)
        mean = sum(costs[name] * gate.size for name, gate in gates.items()) / sum(g.size for g in gates.values())
        for name, gate in gates.items():
            gate.price.fill_(self.penalty_weight * costs[name] / mean)

    def before_step(self, network: nn.Module, progress: float) -> None:
        """Draw one sample for every unit."""
        for gate in _gates(network).values():
            gate.draw()

    def penalty(self, network: nn.Module) -> Tensor | float:
        """-log gamma times theta, over gated units; `after_step` uses its gradient."""
        total: Tensor | float = 0.0
        for gate in _gates(network).values():
            total = total + gate.price * (gate.theta * (gate.kind == Kind.GATED)).sum()
        return total

    @torch.no_grad()
    def after_step(self, network: nn.Module) -> None:
        """A projected gradient step of theta; units that fall below the threshold become zero."""
        for gate in _gates(network).values():
            gate.descend(self.rate)
            gate.kind[(gate.kind == Kind.GATED) & (gate.theta < self.threshold)] = int(Kind.ZERO)

    def rank(self, network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
        """By minus theta, the last unit of a gate after all others; to zero."""
        return smallest_first(network, {name: gate.theta for name, gate in _gates(network).items()}, "network")


class BernoulliGate(Gate):
    """A gate whose units are dropped at random.

    theta: (size,) the probabilities of staying.  sample: the current xi, whose gradient moves theta.
    price: -log gamma.
    """

    theta: Tensor
    sample: Tensor
    price: Tensor

    def __init__(self, size: int, axis: int, initial: float) -> None:
        super().__init__(size, axis)
        self.register_buffer("theta", torch.full((size,), initial))
        self.register_buffer("price", torch.zeros(()), persistent=False)
        self.register_buffer("sample", torch.ones(size), persistent=False)

    def coefficients(self) -> tuple[Tensor, float]:
        """The sample xi while training; in eval mode whether a unit is more likely to stay than not."""
        return self.sample if self.training else (self.theta >= 0.5).to(self.theta.dtype), 0.0

    @torch.no_grad()
    def draw(self) -> None:
        """Draw xi; what is computed with it until `descend` gives it a gradient."""
        self.sample = self.theta.bernoulli().requires_grad_()

    @torch.no_grad()
    def descend(self, rate: float) -> None:
        """The projected step of theta: theta <- min(max(theta - rate (dC/dxi - log gamma), 0), 1)."""
        slope = self.price if self.sample.grad is None else self.sample.grad + self.price
        self.theta.sub_(rate * slope).clamp_(0, 1)
        self.sample = self.sample.detach()


def _gates(network: nn.Module) -> dict[str, BernoulliGate]:
    return {name: gate for name, gate in gates_of(network).items() if isinstance(gate, BernoulliGate)}
