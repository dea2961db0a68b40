"""Gumbel-softmax gates: each unit a categorical variable over ReLU, identity and zero.

A unit with probabilities pi = (pi1, pi2, pi3) computes x' = z1 relu(x) + z2 x with the relaxed sample

    z_k  ~  exp((log pi_k + g_k) / tau),   g_k = -log(-log u),   u uniform in (0, 1),   sum z_k = 1.

One sample per unit and minibatch, shared by all its samples, steps and objects: a step of the optimiser sees one
architecture. `straight_through` makes the forward pass one-hot and keeps the gradient of the soft sample. The
temperature tau falls geometrically from `temperature` to `final_temperature`. No log pi_k falls further than `limit`
below the largest: a gate that is all but sure feels neither error nor price, and could not give way in a later round.

So units that are needed as they stand all end at the limit, and their pi say nothing about which of them could be
spared. Where few are left, `trial_iterations` has them told apart by trial (`trial.py`).

Source: Liu et al., Model-Based Control with Sparse Neural Dynamics, NeurIPS 2023; the relaxation is due to Jang et al.,
Categorical Reparameterization with Gumbel-Softmax, ICLR 2017, and Maddison et al. 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log
from typing import Any, ClassVar

import torch
from torch import Tensor, fx, nn

from relu2mip.frontends.sparsify.gates.family import Gate, GateFamily, Kind, check, gates_of
from relu2mip.frontends.sparsify.gates.trial import fix_by_trial
from relu2mip.frontends.sparsify.gates.working_set import add_working_set, check_price, unstable_price


@dataclass(frozen=True)
class Gumbel(GateFamily):
    """Every unit ReLU, identity or zero by Gumbel-softmax (Liu et al. 2023).

    penalty_weight: lambda, the price of the sum of all pi1.  identity_weight: lambda_ID, the price of an identity as a
    share of that of a ReLU.  temperature, final_temperature: tau at the start and the end.  straight_through: one-hot
    samples forward.  initial: pi1 at the start; the rest is shared equally.  limit: of log pi below the largest.
    trial_units, trial_iterations: from so many units on they are fixed by trial, with so many iterations of L-BFGS for
    each; 0 iterations for none.  unstable_weight: the price of the sum of pi1 times how unstable the unit is on the
    working set, and reach, the size of its boxes; see `working_set.py`.
    """

    penalty_weight: float = 1e-3
    identity_weight: float = 0.0
    temperature: float = 1.0
    final_temperature: float = 0.3
    straight_through: bool = False
    initial: float = 0.8
    limit: float = 3.0
    trial_units: int = 8
    trial_iterations: int = 0
    unstable_weight: float = 0.0
    reach: float = 0.0
    name: ClassVar[str] = "gumbel"

    def __post_init__(self) -> None:
        weight, share = self.penalty_weight, self.identity_weight
        check(
            self.name,
            penalty_weight=(weight, isfinite(weight) and weight >= 0, "a finite number, at least 0"),
            identity_weight=(share, 0 <= share <= 1, "a share in [0, 1]"),
            temperature=(self.temperature, 0 < self.temperature < float("inf"), "a positive number"),
            final_temperature=(
                self.final_temperature,
                0 < self.final_temperature <= self.temperature,
                "a positive number, at most the temperature",
            ),
            initial=(self.initial, 0 < self.initial < 1, "a probability between 0 and 1"),
            limit=(self.limit, self.limit > 0, "a positive number"),
            trial_units=(self.trial_units, self.trial_units >= 0, "at least 0"),
            trial_iterations=(self.trial_iterations, self.trial_iterations >= 0, "at least 0"),
        )
        check_price(self.name, self.unstable_weight, self.reach)

    def gate(self, size: int, axis: int) -> Gate:
        """A gate of categorical units."""
        return GumbelGate(size, axis, self.initial, self.straight_through)

    def prepare(self, network: nn.Module, data: Any) -> None:
        """Give the network its working set, if that has a price."""
        add_working_set(network, data, self.unstable_weight, self.reach)

    @torch.no_grad()
    def before_step(self, network: nn.Module, progress: float) -> None:
        """Draw one sample for every unit."""
        temperature = self.temperature * (self.final_temperature / self.temperature) ** progress
        for gate in _gates(network):
            gate.temperature = temperature
            gate.noise.exponential_().log_().neg_()

    @torch.no_grad()
    def after_step(self, network: nn.Module) -> None:
        """Keep every log pi within the limit."""
        for gate in _gates(network):
            gate.logits.sub_(gate.logits.amax(dim=1, keepdim=True)).clamp_(min=-self.limit)

    def penalty(self, network: nn.Module) -> Tensor | float:
        """The price lambda (sum pi1 + lambda_ID sum pi2) of the gated units, and that of those that are unstable."""
        total: Tensor | float = 0.0
        shares: dict[str, Tensor] = {}
        for name, gate in gates_of(network).items():
            assert isinstance(gate, GumbelGate)
            pi = gate.log_probabilities().exp()
            price, shares[name] = pi[:, 0] + self.identity_weight * pi[:, 1], pi[:, 0]
            total = total + (price * (gate.kind == Kind.GATED)).sum()
        return self.penalty_weight * total + unstable_price(network, self.unstable_weight, shares)

    def member_penalty(self, network: nn.Module) -> Tensor | float:
        """The price of units that are unstable on the working set."""
        return unstable_price(network, self.unstable_weight)

    def before_narrow(self, network: nn.Module, keep: int, data: Any) -> None:
        """Fix units by trial where few are left."""
        if self.trial_iterations and keep < self.trial_units:
            assert isinstance(network, fx.GraphModule)
            self.narrow(network, self.trial_units)
            fix_by_trial(network, data, keep, self.trial_iterations)

    def rank(self, network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
        """By max(pi2, pi3), to identity where pi2 >= pi3 and to zero elsewhere."""
        ranks = {}
        for name, gate in gates_of(network).items():
            assert isinstance(gate, GumbelGate)
            pi = gate.log_probabilities().exp()
            identity = pi[:, 1] >= pi[:, 2]
            ranks[name] = pi[:, 1:].amax(dim=1), torch.where(identity, int(Kind.IDENTITY), int(Kind.ZERO))
        return ranks


class GumbelGate(Gate):
    """A gate whose units are sampled; `logits` (size, 3) are log pi up to a constant, `noise` the current g."""

    noise: Tensor

    def __init__(self, size: int, axis: int, initial: float, straight_through: bool) -> None:
        super().__init__(size, axis)
        rest = log((1 - initial) / 2)
        self.logits = nn.Parameter(torch.tensor([log(initial), rest, rest]).repeat(size, 1))
        self.register_buffer("noise", torch.zeros(size, 3), persistent=False)
        self.straight_through = straight_through
        self.temperature = 1.0

    def log_probabilities(self) -> Tensor:
        """Log pi, (size, 3)."""
        return self.logits.log_softmax(dim=1)

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """The sample z while training; the most likely kind in eval mode."""
        if self.training:
            z = ((self.log_probabilities() + self.noise) / self.temperature).softmax(dim=1)
        else:
            z = self.logits
        if self.straight_through or not self.training:
            hard = nn.functional.one_hot(z.argmax(dim=1), 3).to(z.dtype)
            z = hard if not self.training else hard + z - z.detach()
        return z[:, 0], z[:, 1]


def _gates(network: nn.Module) -> list[GumbelGate]:
    return [gate for gate in gates_of(network).values() if isinstance(gate, GumbelGate)]
