"""The base of costs, and the sum of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import refuse
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.trajectory.frame import Frame


class NetworkTerm(Protocol):
    """A network in a cost, unrolled beside the dynamics (`relu2mip.costs.Network`)."""

    @property
    def net(self) -> Graph:
        """The network."""
        ...

    def steps(self, n: int, horizon: int) -> range:
        """The steps at which its output is needed."""
        ...

    def reads_controls(self, n: int) -> bool:
        """Whether it reads the control after the state."""
        ...


class Cost(ABC):
    """A cost of states and controls; add costs with `+`."""

    name: ClassVar[str]

    @abstractmethod
    def validate(self, n: int, m: int, horizon: int) -> None:
        """Raise `InvalidProblem` where the cost does not fit n states, m controls and the horizon."""

    @abstractmethod
    def evaluate(self, states: Array, controls: Array, previous_control: Array | None) -> Array:
        """The cost (B,) of batches of states (B, H + 1, n) and controls (B, H, m)."""

    @abstractmethod
    def gradient(self, states: Array, controls: Array, previous_control: Array | None) -> tuple[Array, Array]:
        """Its (sub)gradients by states (B, H + 1, n) and by controls (B, H, m)."""

    @abstractmethod
    def write(self, frame: Frame, label: str) -> None:
        """Add the cost to the objective of a model."""

    def networks(self) -> Iterator[NetworkTerm]:
        """The cost networks in it."""
        return iter(())

    def aimed(self, target: ArrayLike) -> Cost:
        """The same cost with another target for the states; raises `InvalidProblem` where it has none."""
        raise InvalidProblem(f"reference: the cost {self.name} has no target of its own; give the cost itself")

    def parts(self) -> tuple[Cost, ...]:
        """Its summands."""
        return (self,)

    def __add__(self, other: Cost) -> Cost:
        return Sum((*self.parts(), *other.parts()))


@dataclass(frozen=True, eq=False)
class Sum(Cost):
    """The sum of costs."""

    summands: tuple[Cost, ...]
    name: ClassVar[str] = "sum"

    def validate(self, n: int, m: int, horizon: int) -> None:
        """Check every summand."""
        for part in self.summands:
            part.validate(n, m, horizon)

    def evaluate(self, states: Array, controls: Array, previous_control: Array | None) -> Array:
        """The sum (B,)."""
        return np.asarray(sum(part.evaluate(states, controls, previous_control) for part in self.summands))

    def gradient(self, states: Array, controls: Array, previous_control: Array | None) -> tuple[Array, Array]:
        """The sum of the gradients."""
        parts = [part.gradient(states, controls, previous_control) for part in self.summands]
        return np.asarray(sum(x for x, _ in parts)), np.asarray(sum(u for _, u in parts))

    def write(self, frame: Frame, label: str) -> None:
        """Add every summand, numbered."""
        for number, part in enumerate(self.summands, 1):
            part.write(frame, f"{label}{number}")

    def networks(self) -> Iterator[NetworkTerm]:
        """The networks of all summands."""
        return (network for part in self.summands for network in part.networks())

    def aimed(self, target: ArrayLike) -> Cost:
        """With the target of the one part that has one for states."""
        aims = [part for part in self.summands if getattr(part, "weighs_states", False)]
        if len(aims) != 1:
            raise InvalidProblem(f"reference: {len(aims)} parts of the cost weigh states; give the cost itself")
        return Sum(tuple(part.aimed(target) if part is aims[0] else part for part in self.summands))

    def parts(self) -> tuple[Cost, ...]:
        """The summands."""
        return self.summands


def cost(value: Any, where: str) -> Cost:
    """A cost, or the sum of several."""
    if isinstance(value, Cost):
        return value
    if isinstance(value, tuple | list) and value and all(isinstance(part, Cost) for part in value):
        total: Cost = reduce(add, value)
        return total
    return refuse(value, where, "a cost of relu2mip.costs, or a list of them to add")
