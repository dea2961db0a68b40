"""The error of learned dynamics that are rolled out on their own predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relu2mip.errors import InvalidData, InvalidOption
from relu2mip.frontends.sparsify.data import Transitions
from relu2mip.frontends.sparsify.objective import Objective, Units, held_out, ranges

EVALUATED = 4096
"""Stretches of the validation part on which errors are evaluated, at most."""


@dataclass(frozen=True, eq=False)
class Simulation(Objective):
    """Learned dynamics rolled out on their own predictions.

    The network reads the last `window` states (B, window n) and controls (B, window m), oldest first, and predicts the
    change of the state (B, n) or the next state. The error is the mean over `steps` steps; 1 is the usual training.

    validation: share of the rollouts kept for validation, chosen by `seed`; one rollout alone is cut in time.
    horizons: the numbers of steps after which validation errors are reported; those no rollout reaches are left out.

    Raises `InvalidOption` for options out of range and `InvalidData` where no rollout is long enough.
    """

    data: Transitions
    window: int = 1
    steps: int = 1
    predicts: str = "change"
    horizons: tuple[int, ...] = (1, 10)

    input_names = ("states", "controls")

    def __post_init__(self) -> None:
        if self.window < 1 or self.steps < 1 or min(self.horizons, default=1) < 1:
            raise InvalidOption("window, steps and horizons must be at least 1")
        if self.predicts not in {"change", "state"}:
            raise InvalidOption(f'predicts is {self.predicts!r}; give "change" or "state"')
        if not self.samples:
            longest = np.unique(self.data.rollout, return_counts=True)[1].max() + 1
            raise InvalidData(
                f"window {self.window} and {self.steps} step(s) need rollouts of {self.window + self.steps} states, "
                f"and the longest has {longest}; number the rows by rollout, or shorten window and steps"
            )

    @property
    def output_name(self) -> str:
        """The quantity that is predicted."""
        return "change" if self.predicts == "change" else "next_state"

    @cached_property
    def _held_out(self) -> NDArray[np.bool_]:
        """Which rows are for validation."""
        numbers, of_row = np.unique(self.data.rollout, return_inverse=True)
        if len(numbers) > 1:
            return held_out(len(numbers), self.validation, self.seed)[of_row]
        return np.sort(held_out(len(of_row), self.validation, self.seed))

    @cached_property
    def input_units(self) -> tuple[Units, ...]:
        """The units of the windows of states and of controls."""
        rows = ~self._held_out
        return Units.of(self.data.state[rows], self.window), Units.of(self.data.control[rows], self.window)

    @cached_property
    def output_units(self) -> Units:
        """The units of what is predicted."""
        return self._change_units if self.predicts == "change" else Units.of(self.data.next_state[~self._held_out])

    @cached_property
    def _change_units(self) -> Units:
        rows = ~self._held_out
        return Units.of(self.data.next_state[rows] - self.data.state[rows])

    @cached_property
    def _spread(self) -> Tensor:
        """The spread of the change in one step."""
        return self.tensor(self._change_units.scale)

    @cached_property
    def _training(self) -> tuple[Tensor, Tensor]:
        return self._stretches(~self._held_out, self.steps)

    def _stretches(self, rows: NDArray[np.bool_], steps: int) -> tuple[Tensor, Tensor]:
        """All stretches of `rows` within a rollout: states (S, window + steps, n), controls one fewer."""
        data, length = self.data, self.window + steps - 1
        first = np.arange(max(len(rows) - length + 1, 0))
        within = rows[first] & rows[first + length - 1] & (data.rollout[first] == data.rollout[first + length - 1])
        index = first[within][:, None] + np.arange(length)
        states = np.concatenate([data.state[index], data.next_state[index[:, -1:]]], axis=1)
        return self.tensor(states), self.tensor(data.control[index])

    def inputs(self) -> tuple[Tensor, ...]:
        """The windows of states and controls at the first step of every training sample."""
        states, controls = self._training
        return states[:, : self.window].flatten(1), controls[:, : self.window].flatten(1)

    def loss(self, network: nn.Module, index: Tensor) -> Tensor:
        """Mean squared error over `steps` steps, relative to the spread of the change in one step."""
        states, controls = (part[index] for part in self._training)
        predicted = self.rollout(network, states[:, : self.window], controls)
        return ((predicted - states[:, self.window :]) / self._spread).square().mean()

    def rollout(self, network: nn.Module, states: Tensor, controls: Tensor) -> Tensor:
        """Predicted states (B, k, n) after windows of states (B, window, n) under controls (B, window + k - 1, m)."""
        window, history = self.window, list(states.unbind(1))
        for t in range(controls.shape[1] - window + 1):
            predicted = network(torch.cat(history[t:], dim=1), controls[:, t : t + window].flatten(1))
            history.append(history[-1] + predicted if self.predicts == "change" else predicted)
        return torch.stack(history[window:], dim=1)

    @torch.no_grad()
    def errors(self, network: nn.Module) -> dict[str, float]:
        """Errors of the state after each of `horizons` steps, relative to the spread of the true change until then.

        On the training part where none is held out.
        """
        rows = self._held_out if self._held_out.any() else ~self._held_out
        found = {}
        for steps in self.horizons:
            states, controls = self._stretches(rows, steps)
            if len(states) < 2:
                continue
            chosen = torch.linspace(0, len(states) - 1, min(len(states), EVALUATED)).long()
            states, controls = states[chosen], controls[chosen]
            error = self.rollout(network, states[:, : self.window], controls)[:, -1] - states[:, -1]
            spread = (states[:, -1] - states[:, self.window - 1]).std(dim=0)
            spread = torch.where(spread > 0, spread, self._spread)
            found[f"{steps} step{'s' * (steps > 1)}"] = float((error / spread).square().mean().sqrt())
        return found

    def metadata(self) -> dict[str, Any]:
        """Window, what is predicted, names, and ranges of states and controls in the data."""
        data = self.data
        return {
            "predicts": self.predicts,
            "window": self.window,
            "state_names": list(data.state_names),
            "control_names": list(data.control_names),
            "state_range": ranges(np.concatenate([data.state, data.next_state])),
            "control_range": ranges(data.control),
        }
