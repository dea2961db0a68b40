"""The error of a function fitted to samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relu2mip.frontends.sparsify.data import Samples
from relu2mip.frontends.sparsify.objective import Objective, Units, held_out, ranges


@dataclass(frozen=True, eq=False)
class Regression(Objective):
    """A function fitted to samples: the network maps input (B, n) to output (B, m).

    validation: share of the samples kept for validation, chosen by `seed`.
    """

    data: Samples

    input_names = ("input",)
    output_name = "output"

    def __post_init__(self) -> None:
        self._held_out  # noqa: B018 - raises for a wrong share

    @cached_property
    def _held_out(self) -> NDArray[np.bool_]:
        return held_out(len(self.data.input), self.validation, self.seed)

    @cached_property
    def input_units(self) -> tuple[Units, ...]:
        """The units of the input."""
        return (Units.of(self.data.input[~self._held_out]),)

    @cached_property
    def output_units(self) -> Units:
        """The units of the output."""
        return Units.of(self.data.output[~self._held_out])

    @cached_property
    def _training(self) -> tuple[Tensor, Tensor]:
        return self._part(~self._held_out)

    @cached_property
    def _spread(self) -> Tensor:
        return self.tensor(self.output_units.scale)

    def _part(self, rows: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        return self.tensor(self.data.input[rows]), self.tensor(self.data.output[rows])

    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs of the training part."""
        return self._training[:1]

    def loss(self, network: nn.Module, index: Tensor) -> Tensor:
        """Mean squared error relative to the spread of the output."""
        x, y = self._training
        error: Tensor = (network(x[index]) - y[index]) / self._spread
        return error.square().mean()

    @torch.no_grad()
    def errors(self, network: nn.Module) -> dict[str, float]:
        """The error of the output; on the training part where none is held out."""
        x, y = self._part(self._held_out if self._held_out.any() else ~self._held_out)
        return {"output": float(((network(x) - y) / self._spread).square().mean().sqrt())}

    def metadata(self) -> dict[str, Any]:
        """Names and ranges of inputs and outputs in the data."""
        data = self.data
        return {
            "input_names": list(data.input_names),
            "output_names": list(data.output_names),
            "input_range": ranges(data.input),
            "output_range": ranges(data.output),
        }
