"""The error of learned dynamics that are rolled out on their own predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, sqrt
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relu2mip.errors import InvalidData, InvalidOption
from relu2mip.frontends.sparsify.affine import Encoding
from relu2mip.frontends.sparsify.coordinates import CoordinateMaps, Coordinates
from relu2mip.frontends.sparsify.data import Floats, Transitions
from relu2mip.frontends.sparsify.objective import Objective, Units, held_out, ranges

EVALUATED = 4096
"""Stretches of the validation part on which errors are evaluated, at most."""


@dataclass(frozen=True, eq=False)
class Deviations:
    """Predicted minus true states after some steps, on stretches of the validation part.

    error, change (S, n): that difference, and the true change over these steps, in physical units.  moved (S,): whether
    a stretch has a row with motion; None where the data do not tell.
    """

    error: NDArray[np.float64]
    change: NDArray[np.float64]
    moved: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class Simulation(Objective):
    """Learned dynamics rolled out on their own predictions.

    The network reads the last `window` states (B, window n) and controls (B, window m), oldest first, and predicts the
    change of the state (B, n) or the next state. The error is the mean over `steps` steps; 1 is the usual training.

    coordinates: what the network sees and predicts within, and states that are known without learning; errors are
    those of the others.  motion_weight: the weight of stretches with motion beside that of stretches at rest, 1.
    validation: share of the rollouts kept for validation, chosen by `seed`; one rollout alone is cut in time.
    horizons: the numbers of steps after which validation errors are reported; those no rollout reaches are left out.

    Raises `InvalidOption` for options out of range and `InvalidData` where no rollout is long enough, what is known
    does not hold in the data, or `motion_weight` is given for data that do not tell which rows move.
    """

    data: Transitions
    window: int = 1
    steps: int = 1
    predicts: str = "change"
    horizons: tuple[int, ...] = (1, 10)
    coordinates: Coordinates = Coordinates()  # noqa: RUF009 - frozen
    motion_weight: float = 1.0

    input_names = ("states", "controls")

    def __post_init__(self) -> None:
        if self.window < 1 or self.steps < 1 or min(self.horizons, default=1) < 1:
            raise InvalidOption("window, steps and horizons must be at least 1")
        if self.predicts not in {"change", "state"}:
            raise InvalidOption(f'predicts is {self.predicts!r}; give "change" or "state"')
        if not (isfinite(self.motion_weight) and self.motion_weight > 0):
            raise InvalidOption(f"motion_weight is {self.motion_weight}; give a positive number")
        if self.motion_weight != 1 and self.data.moved is None:
            raise InvalidData(
                "motion_weight is given, but the data do not tell which rows move; give `moved` in the file, or use "
                "Transitions.with_motion ([data.motion])"
            )
        if not self.samples:
            longest = np.unique(self.data.rollout, return_counts=True)[1].max() + 1
            raise InvalidData(
                f"window {self.window} and {self.steps} step(s) need rollouts of {self.window + self.steps} states, "
                f"and the longest has {longest}; number the rows by rollout, or shorten window and steps"
            )
        self._check_known()

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
    def maps(self) -> CoordinateMaps:
        """The coordinates as matrices."""
        return self.coordinates.maps(self.data.state_names, self.data.control_names)

    @cached_property
    def _feature_units(self) -> Units:
        """The units of the features of a window."""
        rows = ~self._held_out
        seen = np.concatenate([self.data.state[rows], self.data.control[rows]], axis=1)
        return Units.of(self.maps.features(seen), self.window)

    @cached_property
    def _target_units(self) -> Units:
        rows, targets = ~self._held_out, self.maps.targets
        following = targets(self.data.next_state[rows])
        return Units.of(following - targets(self.data.state[rows]) if self.predicts == "change" else following)

    @property
    def encoding(self) -> Encoding:
        """What stands around the core of a network: features in front, targets and known states behind."""
        return self.maps.encoding(self.window, self.predicts == "change", self._feature_units, self._target_units)

    def normalisation(self) -> dict[str, Units]:
        """The units of states, controls and output, or of features and targets."""
        if self.coordinates == Coordinates():
            return super().normalisation()
        return {"features": self._feature_units, "targets": self._target_units}

    @cached_property
    def _scaling(self) -> Tensor:
        """What an error of the state is multiplied by: one over the spread of the change in one step.

        0 where the state is known, and scaled so that a mean over all states is one over those that are learned.
        """
        learned = list(self.maps.learned)
        scaling = np.zeros_like(self._change_units.scale)
        scaling[learned] = sqrt(len(scaling) / len(learned)) / self._change_units.scale[learned]
        return self.tensor(scaling)

    @cached_property
    def _training(self) -> tuple[Tensor, Tensor]:
        states, controls, _ = self._stretches(~self._held_out, self.steps)
        return self.tensor(states), self.tensor(controls)

    @cached_property
    def _weights(self) -> Tensor | None:
        """The square roots of the weights of stretches, (S, 1, 1), whose mean is 1; None for equal ones."""
        if self.motion_weight == 1:
            return None
        moved = self._stretches(~self._held_out, self.steps)[2]
        assert moved is not None
        weights = np.where(moved, np.float32(self.motion_weight), np.float32(1.0))
        return self.tensor(np.sqrt(weights / weights.mean(dtype=np.float64), dtype=np.float32)[:, None, None])

    def _stretches(self, rows: NDArray[np.bool_], steps: int) -> tuple[Floats, Floats, NDArray[np.bool_] | None]:
        """All stretches of `rows` within a rollout: states (S, window + steps, n), controls one fewer, moved (S,)."""
        data, length = self.data, self.window + steps - 1
        first = np.arange(max(len(rows) - length + 1, 0))
        within = rows[first] & rows[first + length - 1] & (data.rollout[first] == data.rollout[first + length - 1])
        index = first[within][:, None] + np.arange(length)
        states = np.concatenate([data.state[index], data.next_state[index[:, -1:]]], axis=1)
        moved = None if data.moved is None else data.moved[index[:, self.window - 1 :]].any(axis=1)
        return states, data.control[index], moved

    @property
    def samples(self) -> int:
        """How many stretches there are to train on."""
        return len(self._training[0])

    def over(self, steps: int) -> Self:
        """The same with stretches of so many steps, in the units of this one."""
        return replace(self, steps=steps)

    def inputs(self) -> tuple[Tensor, ...]:
        """The windows of states and controls at the first step of every training sample."""
        states, controls = self._training
        return states[:, : self.window].flatten(1), controls[:, : self.window].flatten(1)

    def boxes(self, index: Tensor, reach: float) -> tuple[list[Tensor], list[Tensor]]:
        """What a plan may see that starts at the training samples of an index, after so many steps.

        reach: the states are off by at most as many times the 95th percentile of the change in one step, the latest
        control by anything that the data have. 0: the first step of a plan, whose state is known.
        """
        states, controls = (x[index] for x in self.inputs())
        change = np.abs(self.data.next_state.astype(np.float64) - self.data.state)
        far = self.tensor(np.tile(reach * np.percentile(change, 95, axis=0), self.window).astype(np.float32))
        low, high = (controls.clone() for _ in range(2))
        for ends, extreme in ((low, self.data.control.min(axis=0)), (high, self.data.control.max(axis=0))):
            ends[:, -len(extreme) :] = self.tensor(extreme)
        return [states - far, low], [states + far, high]

    def loss(self, network: nn.Module, index: Tensor) -> Tensor:
        """Mean squared error of the states that are learned, relative to the spread of their change in one step."""
        states, controls = (part[index] for part in self._training)
        error = (self.rollout(network, states[:, : self.window], controls) - states[:, self.window :]) * self._scaling
        if self._weights is not None:
            error = error * self._weights[index]
        return error.square().mean()

    def rollout(self, network: nn.Module, states: Tensor, controls: Tensor) -> Tensor:
        """Predicted states (B, k, n) after windows of states (B, window, n) under controls (B, window + k - 1, m)."""
        window, history = self.window, list(states.unbind(1))
        for t in range(controls.shape[1] - window + 1):
            past = history[t] if window == 1 else torch.cat(history[t:], dim=1)
            predicted = network(past, controls[:, t : t + window].flatten(1))
            history.append(history[-1] + predicted if self.predicts == "change" else predicted)
        return torch.stack(history[window:], dim=1)

    @torch.no_grad()
    def deviations(self, network: nn.Module, steps: int) -> Deviations:
        """How far predictions are off after so many steps, on at most `EVALUATED` stretches of the validation part.

        On the training part where none is held out. No stretch is long enough: arrays without rows.
        """
        rows = self._held_out if self._held_out.any() else ~self._held_out
        states, controls, moved = self._stretches(rows, steps)
        chosen = np.linspace(0, len(states) - 1, min(len(states), EVALUATED)).astype(int)
        states, controls, moved = states[chosen], controls[chosen], None if moved is None else moved[chosen]
        if not len(states):
            return Deviations(states[:, 0].astype(np.float64), states[:, 0].astype(np.float64), moved)
        found = self.rollout(network, self.tensor(states[:, : self.window]), self.tensor(controls))[:, -1]
        error = found.cpu().numpy().astype(np.float64) - states[:, -1]
        return Deviations(error, states[:, -1].astype(np.float64) - states[:, self.window - 1], moved)

    def errors(self, network: nn.Module) -> dict[str, float]:
        """Errors of the states that are learned after each of `horizons` steps, relative to the spread of the change.

        The spread is that of the true change over as many steps. Where the data tell which rows move, also of the
        stretches with motion and of those at rest alone, relative to the same spread.
        """
        found: dict[str, float] = {}
        for steps in self.horizons:
            deviations, learned = self.deviations(network, steps), list(self.maps.learned)
            if len(deviations.error) < 2:
                continue
            spread = deviations.change[:, learned].std(axis=0, ddof=1)
            spread = np.where(spread > 0, spread, self._change_units.scale[learned])
            squares = np.square(deviations.error[:, learned] / spread).mean(axis=1)
            name, moved = f"{steps} step{'s' * (steps > 1)}", deviations.moved
            parts = {name: np.ones(len(squares), dtype=bool)}
            if moved is not None:
                parts |= {f"{name} with motion": moved, f"{name} at rest": ~moved}
            found |= {part: float(np.sqrt(squares[rows].mean())) for part, rows in parts.items() if rows.any()}
        return found

    def metadata(self) -> dict[str, Any]:
        """Window, what is predicted, coordinates, names, ranges of states and controls, and the share of motion."""
        data, maps = self.data, self.maps
        found: dict[str, Any] = {
            "predicts": self.predicts,
            "window": self.window,
            "state_names": list(data.state_names),
            "control_names": list(data.control_names),
            "state_range": ranges(np.concatenate([data.state, data.next_state])),
            "control_range": ranges(data.control),
        }
        if self.coordinates != Coordinates():
            known = dict(self.coordinates.known)
            found["coordinates"] = {
                "features": list(maps.feature_names),
                "targets": list(maps.target_names),
                "known": known,
            }
        if data.heading is not None:
            found["heading"] = [data.heading.start, data.heading.end]
        if data.moved is not None:
            found["motion"] = float(data.moved.mean())
        return found

    def _check_known(self) -> None:
        """Refuse data in which what is known does not hold."""
        data, maps = self.data, self.maps
        if not maps.known_rows:
            return
        rows = list(maps.known_rows)
        truth = data.next_state[:, rows].astype(np.float64)
        missed = np.abs(maps.known(np.concatenate([data.state, data.control], axis=1)) - truth)
        wrong = missed > 1e-3 * self._change_units.scale[rows] + 1e-5 * np.abs(truth)
        if wrong.any():
            row, k = (int(found[0]) for found in np.nonzero(wrong))
            raise InvalidData(
                f"coordinates.known: the next {data.state_names[rows[k]]} of row {row} is {truth[row, k]:g}, "
                f"{missed[row, k]:.3g} off what is said to be known, as in {wrong.any(axis=1).mean():.1%} of the rows; "
                "leave it to be learned, or leave out these rows"
            )
