"""Gates, and the families that decide them.

A `Gate` stands where one ReLU of a network stood. Every unit computes

    x' = a relu(x) + b x

and each unit's `Kind` says what (a, b) is: gated units take it from the family, the others are fixed for good, to ReLU
(1, 0), identity (0, 1) or zero (0, 0). Kinds are a buffer: no optimiser moves them.

A `GateFamily` is a frozen dataclass, its fields the options. Training calls it like this:

    network = sparsify(module, example, family)     family.gate(size, axis) for every ReLU, family.attach(network)
    family.prepare(network, data)                   once
    for each minibatch:
        family.before_step(network, progress)       draw noise, set the temperature
        loss = error + family.penalty(network)      gradients of gates and weights together
        family.after_step(network)                  project, mask
    at the start of each round:
        family.before_narrow(network, keep, data)   fix units by what the data says
        family.narrow(network, keep)                fix units until `keep` are gated
    for each minibatch of fine-tuning:
        loss = error + family.member_penalty(network)

Only `gate` must be given. How the families of the literature map onto it:

    Gumbel-softmax (Liu et al. 2023)             coefficients (z1, z2); penalty on pi; rank by max(pi2, pi3)
    Bernoulli (Guenter & Sideris 2024)           coefficients (xi, 0); after_step moves and projects theta
    L1 channel pruning (Li et al. 2017)          the plain gate; rank by minus the L1 norm of a unit's weights
    magnitude pruning (Han et al. 2015)          the plain gate; attach gives weights masks, which narrow sets
    stability regularisation (Xiao et al. 2019)  the plain gate; prepare keeps the data's box, penalty bounds units
    linearisation                                identities are lines; before_narrow fits, tries and fixes them
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(IntEnum):
    """The state of a unit: still gated, or fixed to ReLU, identity or zero."""

    GATED = 0
    RELU = 1
    IDENTITY = 2
    ZERO = 3


class Gate(nn.Module):
    """The gate of one ReLU with `size` units along `axis` of its input; by itself the plain ReLU.

    kind: (size,) uint8 buffer of `Kind`s.
    Units are shared over all other axes: batch, objects, pixels.
    """

    kind: Tensor
    _held: _Kinds | None = None

    def __init__(self, size: int, axis: int = -1) -> None:
        super().__init__()
        self.size, self.axis = size, axis
        self.register_buffer("kind", torch.zeros(size, dtype=torch.uint8))

    def coefficients(self) -> tuple[Tensor | float, Tensor | float]:
        """Multipliers (a, b) of ReLU and identity of the gated units, (size,) or numbers.

        While training they may be soft or random; in eval mode they are the family's best guess, each 0 or 1.
        """
        return 1.0, 0.0

    def forward(self, x: Tensor) -> Tensor:
        """The activation, of the shape of x."""
        kinds = self._kinds(x.dtype)
        a, b = kinds.relu, kinds.identity
        if kinds.any_gated:
            relu, identity = self.coefficients()
            a, b = a + kinds.gated * relu, b + kinds.gated * identity
        elif kinds.all_relu:
            return x.relu()
        if self.axis not in (-1, x.dim() - 1):
            shape = [-1] + [1] * (x.dim() - 1 - self.axis % x.dim())
            a, b = a.view(shape), b.view(shape)
        return a * x.relu() + b * x

    def lines(self) -> tuple[Tensor, Tensor]:
        """Slope and constant of the units that are no ReLUs, (size,) each: an identity has (1, 0), zero (0, 0)."""
        slope = (self.kind == Kind.IDENTITY).double()
        return slope, torch.zeros_like(slope)

    def _kinds(self, dtype: torch.dtype) -> _Kinds:
        """The kinds as numbers, made again when they have changed."""
        held = self._held
        if held is None or held.kind is not self.kind or held.version != self.kind._version or held.dtype != dtype:
            held = self._held = _Kinds(self.kind, dtype)
        return held

    def __getstate__(self) -> dict[str, Any]:
        """A copy counts the changes of its own kinds."""
        return {name: value for name, value in self.__dict__.items() if name != "_held"}

    def count(self, kind: Kind) -> int:
        """How many units are of a kind."""
        return int((self.kind == kind).sum())

    def extra_repr(self) -> str:
        """The numbers of units by kind."""
        return ", ".join(f"{self.count(kind)} {kind.name.lower()}" for kind in Kind)


class _Kinds:
    """Which units are gated, ReLU and identity, as (size,) numbers 0 and 1, at one version of a gate's kinds."""

    def __init__(self, kind: Tensor, dtype: torch.dtype) -> None:
        self.kind, self.version, self.dtype = kind, kind._version, dtype
        self.gated, self.relu, self.identity = (
            (kind == one).to(dtype) for one in (Kind.GATED, Kind.RELU, Kind.IDENTITY)
        )
        self.any_gated, self.all_relu = bool(self.gated.any()), bool(self.relu.all())


class GateFamily(ABC):
    """A way to choose the units that stay ReLUs; subclasses are frozen dataclasses. See the module's text."""

    name: ClassVar[str]
    shrinks: ClassVar[bool] = False
    """Whether training goes on with what is left of the network (`shrinking.py`); such gates hold nothing learned."""
    straightens: ClassVar[bool] = True
    """Whether units may become identities or lines, and not zero alone."""

    @abstractmethod
    def gate(self, size: int, axis: int) -> Gate:
        """The gate in place of a ReLU of `size` units along `axis`."""

    def attach(self, network: nn.Module) -> None:  # noqa: B027
        """Called by `sparsify` with the gated network: add what the family keeps in it, refuse what it cannot take."""

    def prepare(self, network: nn.Module, data: Any) -> None:  # noqa: B027
        """Called once before training, with the gated network and the training data."""

    def before_step(self, network: nn.Module, progress: float) -> None:  # noqa: B027
        """Called before each minibatch; `progress` goes from 0 to 1 over all training with gates."""

    def penalty(self, network: nn.Module) -> Tensor | float:
        """The penalty that is added to the error of a minibatch."""
        return 0.0

    def member_penalty(self, network: nn.Module) -> Tensor | float:
        """The penalty that is added while a member, all of whose gated units are ReLUs, is fine-tuned."""
        return 0.0

    def after_step(self, network: nn.Module) -> None:  # noqa: B027
        """Called after each step of the optimiser."""

    def before_narrow(self, network: nn.Module, keep: int, data: Any) -> None:  # noqa: B027
        """Called at the start of a round: may fix units by what the training data says, and leave at least `keep`."""

    def rank(self, network: nn.Module) -> Mapping[str, tuple[Tensor, Tensor]]:
        """For every gate by name: how ready each unit is to be fixed, (size,), and the kind it would become, (size,).

        The default finds all units equally ready to become zero.
        """
        return {
            name: (torch.zeros(gate.size), torch.full((gate.size,), int(Kind.ZERO)))
            for name, gate in gates_of(network).items()
        }

    @torch.no_grad()
    def narrow(self, network: nn.Module, keep: int) -> None:
        """Fix the units that `rank` finds most ready until `keep` are gated; units fixed before stay as they are."""
        gates = gates_of(network)
        ranks = self.rank(network)
        kinds = torch.cat([gate.kind for gate in gates.values()])
        scores = torch.cat([ranks[name][0].to(kinds.device, torch.float64) for name in gates])
        wanted = torch.cat([ranks[name][1].to(kinds) for name in gates])
        gated = kinds == Kind.GATED
        surplus = int(gated.sum()) - keep
        if surplus > 0:
            order = torch.where(gated, scores, -torch.inf).argsort(descending=True, stable=True)[:surplus]
            kinds[order] = wanted[order]
        parts = torch.split(kinds, [gate.size for gate in gates.values()])
        for gate, part in zip(gates.values(), parts, strict=True):
            gate.kind.copy_(part)


def gates_of(network: nn.Module) -> dict[str, Gate]:
    """The gates of a network by the names of their modules."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Gate)}


def harden(network: nn.Module) -> nn.Module:
    """Fix every gated unit to ReLU, in place; returns the network."""
    for gate in gates_of(network).values():
        gate.kind[gate.kind == Kind.GATED] = int(Kind.RELU)
    return network


def check(family: str, **conditions: tuple[Any, bool, str]) -> None:
    """Raise `InvalidOption` for the first option whose condition does not hold: (value, holds, what to give)."""
    for name, (value, holds, remedy) in conditions.items():
        if not holds:
            raise InvalidOption(f"{family}: {name} is {value}; give {remedy}")
