"""A function of physical units around a core that sees normalised ones; the normalisation is part of the graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidProblem
from relu2mip.frontends.sparsify.objective import Objective, Units


class Normalisation(nn.Module):
    """Affine coordinates as buffers: `into` them, (x - offset) / scale, or `out` of them."""

    offset: Tensor
    scale: Tensor

    def __init__(self, units: Units) -> None:
        super().__init__()
        self.register_buffer("offset", torch.as_tensor(units.offset))
        self.register_buffer("scale", torch.as_tensor(units.scale))

    def into(self, x: Tensor) -> Tensor:
        """Physical units to normalised ones."""
        return (x - self.offset) / self.scale

    def out(self, z: Tensor) -> Tensor:
        """Normalised units to physical ones."""
        return z * self.scale + self.offset


class NormalisedFunction(nn.Module):
    """input (B, n) -> output (B, m)."""

    def __init__(self, core: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.core = core
        self.input = Normalisation(objective.input_units[0])
        self.output = Normalisation(objective.output_units)

    def forward(self, x: Tensor) -> Tensor:
        """The function in physical units."""
        return self.output.out(self.core(self.input.into(x)))


class NormalisedDynamics(nn.Module):
    """states (B, window n), controls (B, window m) -> change of the state or next state (B, n)."""

    def __init__(self, core: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.core = core
        self.states, self.controls = (Normalisation(units) for units in objective.input_units)
        self.output = Normalisation(objective.output_units)

    def forward(self, states: Tensor, controls: Tensor) -> Tensor:
        """The step in physical units."""
        seen = torch.cat([self.states.into(states), self.controls.into(controls)], dim=-1)
        return self.output.out(self.core(seen))


def sizes(objective: Objective) -> tuple[int, int]:
    """How many inputs and outputs a core has for an objective."""
    return sum(units.offset.size for units in objective.input_units), objective.output_units.offset.size


def normalised(core: nn.Module, objective: Objective) -> nn.Module:
    """The core within the units of an objective, as the objective calls its network."""
    kinds = {1: NormalisedFunction, 2: NormalisedDynamics}
    if len(objective.input_units) not in kinds:
        raise InvalidProblem(f"the objective has inputs {objective.input_names}; give one or two")
    return kinds[len(objective.input_units)](core, objective)
