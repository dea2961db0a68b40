"""Linearisation: units become the straight line that fits their ReLU best on the data, the least needed first.

With x the pre-activation of a unit and r = relu(x) on a sample of the training data, the line is that of least squares,

    r ~ s x + c,   s = cov(x, r) / var(x),   c = mean(r) - s mean(x),

which is the identity for a unit that is always on, zero for one that is always off, and in between for all others. A
line costs no ReLU: `compact` folds it into the layers that read it. What a unit is worth is how much the error grows
with its line in place of its ReLU, all others as they are; every round begins with as many such trials as there are
gated units, and those fixed are the ones worth least.

So little is lost at once if few are fixed at once: give `Schedule.step`. Trained again after each step, a wide network
ends better than one of the same number of ReLUs that was trained from the start.

The idea of replacing ReLUs by lines one by one is that of network linearisation (Dror et al., "Layer Folding: Neural
Network Depth Reduction using Activation Linearization", BMVC 2022); the fit and the trials are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from relu2mip.frontends.sparsify.gates.family import Gate, GateFamily, Kind, check, gates_of
from relu2mip.frontends.sparsify.gates.working_set import add_working_set, check_price, unstable_price

if TYPE_CHECKING:
    from relu2mip.frontends.sparsify.objective import Objective


@dataclass(frozen=True)
class Linearisation(GateFamily):
    """The units whose ReLU a straight line replaces at the least error become lines.

    samples: of the training data on which lines are fitted and tried, at most.  unstable_weight: the price of units
    that are unstable on the working set, and reach, the size of its boxes; see `working_set.py`.

    Raises `InvalidOption` for a value out of range.
    """

    samples: int = 4096
    unstable_weight: float = 0.0
    reach: float = 0.0
    name: ClassVar[str] = "linearisation"
    shrinks: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(self.name, samples=(self.samples, self.samples >= 2, "at least 2"))
        check_price(self.name, self.unstable_weight, self.reach)

    def gate(self, size: int, axis: int) -> Gate:
        """A ReLU that can become a line."""
        return LineGate(size, axis)

    def prepare(self, network: nn.Module, data: Objective) -> None:
        """Give the network its working set, if that has a price."""
        add_working_set(network, data, self.unstable_weight, self.reach)

    def penalty(self, network: nn.Module) -> Tensor | float:
        """The price of units that are unstable on the working set."""
        return unstable_price(network, self.unstable_weight)

    member_penalty = penalty

    @torch.no_grad()
    def before_narrow(self, network: nn.Module, keep: int, data: Objective) -> None:
        """Fit a line to every unit, try each, and fix those worth least until `keep` are gated."""
        gates = {name: gate for name, gate in gates_of(network).items() if isinstance(gate, LineGate)}
        gated = [(name, unit) for name, gate in gates.items() for unit in _gated(gate)]
        surplus = len(gated) - keep
        if surplus <= 0:
            return
        count = min(data.samples, self.samples)
        index = torch.linspace(0, data.samples - 1, count, device=data.device).long()
        was_training = network.training
        network.eval()
        lines = _lines(network, gates, data, index)
        errors = []
        for name, unit in gated:
            with gates[name].trying(unit, *lines[name][unit].tolist()):
                errors.append(float(data.loss(network, index)))
        for k in sorted(range(len(gated)), key=errors.__getitem__)[:surplus]:
            name, unit = gated[k]
            gates[name].straighten(unit, *lines[name][unit].tolist())
        network.train(was_training)


class LineGate(Gate):
    """A gate whose identity units are lines: tilt (size,) is their slope less 1, lift (size,) their constant."""

    tilt: Tensor
    lift: Tensor

    def __init__(self, size: int, axis: int) -> None:
        super().__init__(size, axis)
        self.register_buffer("tilt", torch.zeros(size))
        self.register_buffer("lift", torch.zeros(size))
        self.straight = False

    def forward(self, x: Tensor) -> Tensor:
        """The activation, of the shape of x."""
        y = super().forward(x)
        if not self.straight and not (self.tilt.any() or self.lift.any()):
            return y
        self.straight = True
        tilt, lift = self.tilt, self.lift
        if self.axis not in (-1, x.dim() - 1):
            shape = [-1] + [1] * (x.dim() - 1 - self.axis % x.dim())
            tilt, lift = tilt.view(shape), lift.view(shape)
        return y + tilt * x + lift

    def lines(self) -> tuple[Tensor, Tensor]:
        """See `Gate.lines`."""
        slope, constant = super().lines()
        return slope + self.tilt, constant + self.lift

    def straighten(self, unit: int, slope: float, constant: float) -> None:
        """Make a unit a line for good."""
        self.kind[unit] = int(Kind.IDENTITY)
        self.tilt[unit], self.lift[unit] = slope - 1.0, constant

    @contextmanager
    def trying(self, unit: int, slope: float, constant: float) -> Iterator[None]:
        """A unit as a line, for the moment."""
        self.straighten(unit, slope, constant)
        yield
        self.kind[unit] = int(Kind.GATED)
        self.tilt[unit] = self.lift[unit] = 0.0


def _gated(gate: Gate) -> list[int]:
    return torch.nonzero(gate.kind == Kind.GATED).flatten().tolist()


def _lines(network: nn.Module, gates: dict[str, LineGate], data: Objective, index: Tensor) -> dict[str, Tensor]:
    """The line of least squares of every unit, (size, 2), over all that its gate sees on some training samples."""
    seen: dict[str, list[Tensor]] = {name: [] for name in gates}

    def watch(name: str) -> Any:
        def note(gate: LineGate, inputs: tuple[Tensor, ...]) -> None:
            seen[name].append(inputs[0].movedim(gate.axis, -1).reshape(-1, gate.size))

        return note

    handles = [gate.register_forward_pre_hook(watch(name)) for name, gate in gates.items()]
    data.loss(network, index)
    for handle in handles:
        handle.remove()
    return {name: _fitted(torch.cat(parts).double()) for name, parts in seen.items()}


def _fitted(x: Tensor) -> Tensor:
    """Slope and constant of the line that fits relu(x) best, for each column; 0 slope where x does not vary."""
    r = x.relu()
    apart, variance = x - x.mean(dim=0), x.var(dim=0, correction=0)
    slope = torch.where(variance > 0, (apart * r).mean(dim=0) / variance.clamp(min=1e-300), 0.0)
    return torch.stack([slope, r.mean(dim=0) - slope * x.mean(dim=0)], dim=1)
