"""The fully connected network; over a window of past states and controls, the autoregressive one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from relu2mip.errors import InvalidOption
from relu2mip.frontends.sparsify.networks.normalised import normalised, sizes
from relu2mip.frontends.sparsify.networks.seeded import seeded
from relu2mip.frontends.sparsify.objective import Objective


class Skip(nn.Module):
    """Layers, and beside them one affine map from their inputs to their outputs: what is affine needs no unit."""

    def __init__(self, layers: nn.Sequential, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers, self.skip = layers, nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both, (..., outputs)."""
        result: Tensor = self.layers(x) + self.skip(x)
        return result


def mlp(objective: Objective, hidden: Sequence[int] = (64, 64), seed: int = 0, skip: bool = False) -> nn.Module:
    """A fully connected ReLU network with the inputs and outputs of an objective, in physical units.

    A `Simulation` with a window makes it read that many past states and controls. hidden: the width of each layer.
    skip: add a learned affine map from the input to the output, trained together. It costs no ReLU. Gates that turn
    units into identities find such maps themselves; where units become zero, few units are left to carry one.

        >>> import numpy as np
        >>> from relu2mip.frontends.sparsify import Regression, Samples, mlp
        >>> x = np.linspace(-1, 1, 50)
        >>> mlp(Regression(Samples.of(x, abs(x))), hidden=(4,)).core
        Sequential(
          (0): Linear(in_features=1, out_features=4, bias=True)
          (1): ReLU()
          (2): Linear(in_features=4, out_features=1, bias=True)
        )
    """
    inputs, outputs = sizes(objective)
    with seeded(seed):
        core = layers(inputs, hidden, outputs)
        return normalised(Skip(core, inputs, outputs) if skip else core, objective)


def layers(inputs: int, hidden: Sequence[int], outputs: int | None = None) -> nn.Sequential:
    """Linear layers with a ReLU after each hidden one; without `outputs`, it ends with the last ReLU."""
    if not hidden or min(hidden) < 1:
        raise InvalidOption(f"hidden is {list(hidden)}; give the width of each hidden layer, at least 1")
    parts: list[nn.Module] = []
    for fan_in, fan_out in pairwise((inputs, *hidden)):
        parts += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    if outputs is not None:
        parts.append(nn.Linear(hidden[-1], outputs))
    return nn.Sequential(*parts)
