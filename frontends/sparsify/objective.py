"""The objective of training: an error of the network on data, in parts for training and for validation.

`Simulation` is the error of learned dynamics rolled out on their own predictions, `Regression` that of a function. Both
divide errors by the spread of what is predicted: an error of 1 is that of the best constant.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relu2mip.errors import InvalidOption
from relu2mip.frontends.sparsify.affine import Affine, Encoding
from relu2mip.frontends.sparsify.data import Floats


@dataclass(frozen=True, eq=False)
class Units:
    """Offset and scale of an input or output, (size,) each: a network sees (x - offset) / scale."""

    offset: Floats
    scale: Floats

    @classmethod
    def of(cls, rows: Floats | NDArray[np.float64], repeat: int = 1) -> Units:
        """Mean and standard deviation of the columns, `repeat` times; a column that does not vary has scale 1."""
        offset, scale = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
        scale = np.where(scale > 1e-6 * np.abs(rows).max(axis=0), scale, 1.0)
        return cls(np.tile(offset, repeat).astype(np.float32), np.tile(scale, repeat).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Objective(ABC):
    """An error on data.

    validation: share of the data kept for validation, chosen by `seed`.  device: where the tensors are.
    """

    data: Any
    validation: float = 0.1
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"), kw_only=True)

    @property
    @abstractmethod
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs of the network."""

    @property
    @abstractmethod
    def output_name(self) -> str:
        """The name of the output of the network."""

    @property
    @abstractmethod
    def input_units(self) -> tuple[Units, ...]:
        """The units of each input, from the training part."""

    @property
    @abstractmethod
    def output_units(self) -> Units:
        """The units of the output, from the training part."""

    @property
    def encoding(self) -> Encoding:
        """What stands around the core of a network: its inputs and output in their units."""
        offset, scale = (np.concatenate([getattr(u, side) for u in self.input_units]) for side in ("offset", "scale"))
        units = self.output_units
        out = Affine(np.diag(units.scale.astype(np.float64)), units.offset.astype(np.float64))
        return Encoding(Affine.identity(offset.size).divided(offset, scale), out)

    def normalisation(self) -> dict[str, Units]:
        """The units of what the core of a network sees and gives, by its name."""
        names = (*self.input_names, self.output_name)
        return dict(zip(names, (*self.input_units, self.output_units), strict=True))

    @abstractmethod
    def inputs(self) -> tuple[Tensor, ...]:
        """Everything the network is trained on, (samples, size) for each input."""

    def boxes(self, index: Tensor, reach: float) -> tuple[list[Tensor], list[Tensor]]:
        """Boxes around the training samples of an index: lower and upper bounds (B, size) of each input.

        reach: how far they go on each side, as a share of the width of the data.
        """
        inputs = self.inputs()
        widths = [reach * (x.amax(dim=0) - x.amin(dim=0)) for x in inputs]
        pairs = list(zip(inputs, widths, strict=True))
        return [x[index] - width for x, width in pairs], [x[index] + width for x, width in pairs]

    @abstractmethod
    def loss(self, network: nn.Module, index: Tensor) -> Tensor:
        """Mean squared error, in units of the spread of the output, on the training samples of an index."""

    @abstractmethod
    def errors(self, network: nn.Module) -> dict[str, float]:
        """Root mean squared errors on the validation part, by what is predicted, relative to its spread."""

    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """The facts on the data for an exported file: names, sizes, ranges."""

    def over(self, steps: int) -> Self:
        """The same with errors of so many steps; raises `InvalidOption` where there are no steps."""
        raise InvalidOption(f"rollout_steps is {steps}, but {type(self).__name__} has no steps; leave it out")

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return replace(self, device=device)

    def describe(self) -> dict[str, Any]:
        """The options and a hash of the data: what a run is recognised by."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("data", "device")}
        options = {
            name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
            for name, value in options.items()
        }
        return {"kind": type(self).__name__, "data": self.data.digest, **options}

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of two samples."""
        return tuple(x[[0, -1]] for x in self.inputs())

    @property
    def samples(self) -> int:
        """How many samples there are to train on."""
        return len(self.inputs()[0])

    def tensor(self, array: Floats) -> Tensor:
        """An array on the device."""
        return torch.as_tensor(array, device=self.device)


def held_out(count: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Which of so many parts are for validation: at least one where the share is not 0 and there are two."""
    if not 0 <= share < 1:
        raise InvalidOption(f"validation is {share}; give a share in [0, 1)")
    number = min(max(round(share * count), int(share > 0)), count - 1)
    chosen = np.zeros(count, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(count)[:number]] = True
    return chosen


def ranges(rows: Floats) -> dict[str, list[float]]:
    """The smallest and largest entry of each column."""
    return {"lower": rows.min(axis=0).tolist(), "upper": rows.max(axis=0).tolist()}
