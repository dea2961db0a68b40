"""The objective of a search: the cost and the violation of batches of points, and their gradients.

A batch gives every input of the unrolled form, (B, size) each, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from relu2mip.arrays import Array
from relu2mip.normal_form import NormalForm

Batch: TypeAlias = "Mapping[str, Array]"


class Objective(Protocol):
    """A problem as a search sees it."""

    @property
    def form(self) -> NormalForm:
        """The unrolled network, which evaluates and differentiates plans."""
        ...

    def through(self, form: NormalForm) -> Objective:
        """The same objective, with the same network as another form that computes elsewhere."""
        ...

    @property
    def box(self) -> Mapping[str, tuple[Array, Array]]:
        """The box of each input, by name."""
        ...

    def evaluate(self, batch: Batch) -> tuple[Array, Array]:
        """Cost (B,) and violation (B,), relative to the range of what is violated."""
        ...

    def gradient(self, batch: Batch, penalty: float) -> dict[str, Array]:
        """The gradient of cost + penalty * (sum of violations) by input."""
        ...

    def binaries(self, batch: Batch) -> Mapping[str, Array]:
        """The binaries that a problem writes for its sets, at one point, by the name of their columns."""
        ...

    def snap(self, batch: Batch) -> dict[str, Array]:
        """The nearest points of the inputs' own sets: boxes, and finite lists of values."""
        ...

    def levels(self, name: str) -> Sequence[Array | None]:
        """Of each unit of an input the finite list of its values, sorted; None where it has none."""
        ...

    @property
    def unit(self) -> float:
        """How much costs differ: differences that are small beside it mean little. Positive."""
        ...
