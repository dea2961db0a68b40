"""A function of physical units around a core that sees normalised coordinates; their maps are part of the graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidProblem
from relu2mip.frontends.sparsify.affine import Affine, Encoding
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


class AffineMap(nn.Module):
    """A fixed affine map, its weight and bias buffers."""

    weight: Tensor
    bias: Tensor

    def __init__(self, affine: Affine) -> None:
        super().__init__()
        self.register_buffer("weight", torch.as_tensor(affine.weight, dtype=torch.float32))
        self.register_buffer("bias", torch.as_tensor(affine.bias, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Weight x + bias, (..., rows)."""
        return nn.functional.linear(x, self.weight, self.bias)


class NormalisedFunction(nn.Module):
    """input (B, n) -> output (B, m)."""

    def __init__(self, core: nn.Module, encoding: Encoding) -> None:
        super().__init__()
        self.core, self.into, self.out = core, AffineMap(encoding.into), AffineMap(encoding.out)

    def forward(self, x: Tensor) -> Tensor:
        """The function in physical units."""
        result: Tensor = self.out(self.core(self.into(x)))
        return result


class NormalisedDynamics(nn.Module):
    """states (B, window n), controls (B, window m) -> change of the state or next state (B, n)."""

    def __init__(self, core: nn.Module, encoding: Encoding) -> None:
        super().__init__()
        self.core, self.into, self.out = core, AffineMap(encoding.into), AffineMap(encoding.out)
        self.past = None if encoding.past is None else AffineMap(encoding.past)

    def forward(self, states: Tensor, controls: Tensor) -> Tensor:
        """The step in physical units."""
        seen = torch.cat([states, controls], dim=-1)
        result: Tensor = self.out(self.core(self.into(seen)))
        return result if self.past is None else result + self.past(seen)


def sizes(objective: Objective) -> tuple[int, int]:
    """How many inputs and outputs a core has for an objective."""
    encoding = objective.encoding
    return encoding.into.weight.shape[0], encoding.out.weight.shape[1]


def normalised(core: nn.Module, objective: Objective) -> nn.Module:
    """The core within the encoding of an objective, as the objective calls its network."""
    kinds = {1: NormalisedFunction, 2: NormalisedDynamics}
    if len(objective.input_names) not in kinds:
        raise InvalidProblem(f"the objective has inputs {objective.input_names}; give one or two")
    return kinds[len(objective.input_names)](core, objective.encoding)
