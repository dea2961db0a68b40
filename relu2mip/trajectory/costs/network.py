"""A cost that is itself a network of the state, or of state and control."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import numpy as np

from relu2mip.accept import accept, number
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.ir.lower import lower
from relu2mip.normal_form import NormalForm
from relu2mip.passes import simplify
from relu2mip.trajectory.costs.base import Cost
from relu2mip.trajectory.frame import Frame
from relu2mip.trajectory.network import network


@dataclass(frozen=True, eq=False)
class Network(Cost):
    """weight * f(x[t]), or weight * f(x[t], u[t]), for a network f with one output.

    A network with n inputs is summed over x[1] ... x[H], with `terminal` added to the weight of x[H]; one with n + m
    inputs (state, then control) over the pairs (x[t], u[t]), t = 0 ... H - 1. Encoded exactly, like the dynamics.
    """

    net: Graph
    weight: float = 1.0
    terminal: float = 0.0
    name: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        accept(self, net=network)
        try:
            accept(self, weight=number, terminal=number)
        except InvalidProblem as error:
            raise InvalidProblem(f"cost network {self.net.name}: {error}") from None

    def validate(self, n: int, m: int, horizon: int) -> None:
        """Check the sizes of the network and the weights."""
        if self.net.output_size != 1 or self.net.input_size not in {n, n + m}:
            raise InvalidProblem(
                f"cost network {self.net.name}: {self.net.input_size} inputs, {self.net.output_size} outputs; "
                f"give one of {n} (state) or {n + m} (state, control) inputs and one output"
            )
        if self.terminal and self.reads_controls(n):
            raise InvalidProblem(f"cost network {self.net.name}: a terminal weight needs a network of the state alone")

    def reads_controls(self, n: int) -> bool:
        """Whether it reads the control beside a state of size n."""
        return self.net.input_size > n

    def steps(self, n: int, horizon: int) -> range:
        """The steps of the states it is summed over."""
        return range(horizon) if self.reads_controls(n) else range(1, horizon + 1)

    def weights(self, n: int, horizon: int) -> Array:
        """Its weight at each of those steps."""
        weights = np.full(horizon, self.weight)
        weights[-1] += self.terminal
        return weights

    def evaluate(self, states: Array, controls: Array, previous_control: Array | None) -> Array:
        """The cost (B,)."""
        inputs, weights = self._points(states, controls)
        values = self.net.evaluate_flat(inputs)[self.net.outputs[0].name]
        return np.asarray(values.reshape(states.shape[0], -1) @ weights)

    def gradient(self, states: Array, controls: Array, previous_control: Array | None) -> tuple[Array, Array]:
        """Backward through the network at every step."""
        batch, horizon, n = states.shape[0], controls.shape[1], states.shape[2]
        inputs, weights = self._points(states, controls)
        slopes = self._form.vjp(inputs, {self.net.outputs[0].name: np.tile(weights, batch)[:, None]})
        slope = np.concatenate([slopes[port.name] for port in self.net.inputs], axis=1).reshape(batch, horizon, -1)
        by_state, by_control = np.zeros_like(states), np.zeros_like(controls)
        if self.reads_controls(n):
            by_state[:, :-1], by_control[:] = slope[..., :n], slope[..., n:]
        else:
            by_state[:, 1:] = slope
        return by_state, by_control

    def _points(self, states: Array, controls: Array) -> tuple[dict[str, Array], Array]:
        """The network's inputs at every step of a batch, flat, and the weights of the steps."""
        n = states.shape[2]
        points = np.concatenate([states[:, :-1], controls], axis=2) if self.reads_controls(n) else states[:, 1:]
        flat = points.reshape(-1, points.shape[2])
        ends = np.cumsum([0, *(port.size for port in self.net.inputs)])
        inputs = {p.name: flat[:, a:b] for p, (a, b) in zip(self.net.inputs, pairwise(ends), strict=True)}
        return inputs, self.weights(n, controls.shape[1])

    @cached_property
    def _form(self) -> NormalForm:
        return simplify(lower(self.net)).form

    def write(self, frame: Frame, label: str) -> None:
        """Add its weighted values, which the encoder left under its name and step."""
        n = frame.states.shape[1]
        for t, weight in zip(self.steps(n, frame.horizon), self.weights(n, frame.horizon), strict=True):
            frame.model.minimise_expression(np.array([weight]), frame.expressions[self, t])

    def networks(self) -> Iterator[Network]:
        """Itself."""
        yield self
