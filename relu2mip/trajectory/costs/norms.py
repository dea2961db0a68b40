"""The three costs made of norms of states and controls."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.accept import accept, numbers, optional, refuse
from relu2mip.arrays import Array, Index
from relu2mip.errors import InvalidProblem
from relu2mip.mip import Expression
from relu2mip.trajectory.costs.base import Cost
from relu2mip.trajectory.frame import Frame

WEIGHTS = "state", "control", "terminal", "control_rate"


@dataclass(frozen=True, eq=False)
class _Norm(Cost):
    """The common part of the three norm costs: targets, weights, and the weighted terms."""

    target: ArrayLike = 0.0
    state: ArrayLike | None = None
    control: ArrayLike | None = None
    terminal: ArrayLike | None = None
    control_rate: ArrayLike | None = None
    keypoints: tuple[ArrayLike, ArrayLike] | None = None
    control_target: ArrayLike = 0.0

    def __post_init__(self) -> None:
        try:
            accept(
                self,
                target=numbers,
                **dict.fromkeys(WEIGHTS, optional(numbers)),
                keypoints=optional(_keypoints),
                control_target=numbers,
            )
        except InvalidProblem as error:
            raise InvalidProblem(f"cost {self.name}: {error}") from None

    @property
    def weighs_states(self) -> bool:
        """Whether it has a weight for states, so that its target matters."""
        return self.state is not None or self.terminal is not None

    def aimed(self, target: ArrayLike) -> Cost:
        """The same with another target."""
        return replace(self, target=target)

    def validate(self, n: int, m: int, horizon: int) -> None:
        """Check shapes, signs and finiteness of targets, weights and keypoints."""
        c, d = self._keypoints(n)
        rows = n if c is None else c.shape[0]
        if c is not None and (
            c.shape[1] != n or d.size != rows or not np.isfinite(c).all() or not np.isfinite(d).all()
        ):
            raise InvalidProblem(f"cost {self.name}: keypoints need finite (C, d) of shapes (r, {n}) and (r,)")
        for what, size, first in (("target", rows, 1), ("control_target", m, 0)):
            target = np.asarray(getattr(self, what))
            if target.shape not in {(), (1,), (size,), (horizon, size)} or not np.isfinite(target).all():
                raise InvalidProblem(
                    f"cost {self.name}: {what} has shape {target.shape}; give finite numbers of shape ({size},), "
                    f"or a reference ({horizon}, {size}) for steps {first} ... {horizon - 1 + first}"
                )
        for what, size in (("state", rows), ("terminal", rows), ("control", m), ("control_rate", m)):
            self._weighting(what, size, 1 if what == "terminal" else horizon)
        if all(getattr(self, what) is None for what in WEIGHTS):
            raise InvalidProblem(f"cost {self.name} has no weights; give state, terminal, control or control_rate")

    def _weighting(self, what: str, size: int, steps: int) -> tuple[Array, Array | None] | None:
        """Checked weights (steps, size), and the rotation to apply before they do, if any; None without a weight."""
        given = getattr(self, what)
        if given is None:
            return None
        weights = np.asarray(given)
        shapes = {(), (1,), (size,)} | ({(steps, size)} if what != "terminal" else set())
        if weights.shape not in shapes or not np.isfinite(weights).all():
            by_step = "" if what == "terminal" else f", or one row of them for each of the {steps} steps"
            raise InvalidProblem(
                f"cost {self.name}: {what} has shape {weights.shape}; give {size} finite weights{by_step}"
            )
        if (weights < 0).any():
            raise InvalidProblem(f"cost {self.name}: {what} has a negative weight; the cost would not be convex")
        return np.broadcast_to(weights, (steps, size)), None

    def _keypoints(self, n: int) -> tuple[Array | None, Array]:
        if self.keypoints is None:
            return None, np.zeros(n)
        return np.atleast_2d(np.asarray(self.keypoints[0])), np.atleast_1d(np.asarray(self.keypoints[1]))

    def _targets(self, what: str, steps: int, size: int) -> Array:
        return np.broadcast_to(np.asarray(getattr(self, what)), (steps, size))

    def evaluate(self, states: Array, controls: Array, previous_control: Array | None) -> Array:
        """The cost (B,)."""
        total = np.zeros(states.shape[0])
        for what, vector in self._vectors(states, controls, previous_control).items():
            weighting = self._weighting(what, vector.shape[2], vector.shape[1])
            if weighting is not None:
                weights, rotation = weighting
                total += self._norm(vector if rotation is None else vector @ rotation.T, weights).sum(axis=1)
        return total

    def gradient(self, states: Array, controls: Array, previous_control: Array | None) -> tuple[Array, Array]:
        """Its subgradients; 0 where an absolute value is 0."""
        by_state, by_control = np.zeros_like(states), np.zeros_like(controls)
        c, _ = self._keypoints(states.shape[2])
        for what, vector in self._vectors(states, controls, previous_control).items():
            weighting = self._weighting(what, vector.shape[2], vector.shape[1])
            if weighting is None:
                continue
            weights, rotation = weighting
            slope = self._slope(vector if rotation is None else vector @ rotation.T, weights)
            slope = slope if rotation is None else slope @ rotation
            if what == "control":
                by_control += slope
            elif what == "control_rate":
                by_control += slope
                by_control[:, :-1] -= slope[:, 1:]
                if previous_control is None:
                    by_control[:, 0] -= slope[:, 0]
            else:
                by_state[:, -vector.shape[1] :] += slope if c is None else slope @ c
        return by_state, by_control

    def _vectors(self, states: Array, controls: Array, previous_control: Array | None) -> dict[str, Array]:
        """The vectors (B, T, size) that each weight applies to."""
        c, d = self._keypoints(states.shape[2])
        points = states[:, 1:] if c is None else states[:, 1:] @ c.T + d
        residual = points - self._targets("target", points.shape[1], points.shape[2])
        effort = controls - self._targets("control_target", controls.shape[1], controls.shape[2])
        first = (
            controls[:, :1] if previous_control is None else np.broadcast_to(previous_control, controls[:, :1].shape)
        )
        changes = np.diff(controls, axis=1, prepend=first)
        return {"state": residual, "terminal": residual[:, -1:], "control": effort, "control_rate": changes}

    def write(self, frame: Frame, label: str) -> None:
        """Add each weighted term."""
        h, n = frame.horizon, frame.states.shape[1]
        c, d = self._keypoints(n)
        rows = n if c is None else c.shape[0]
        m = frame.controls.shape[1]
        steps, offset = np.arange(1, h + 1), d - self._targets("target", h, rows)
        changed, changes = frame.control_changes()
        effort = Expression.of(frame.controls.ravel())
        effort = Expression(effort.terms, effort.constant - self._targets("control_target", h, m).ravel())
        terms = {
            "state": (steps, frame.affine_states(steps, c, offset)),
            "terminal": (steps[-1:], frame.affine_states(steps[-1:], c, offset[-1:])),
            "control": (np.arange(h), effort),
            "control_rate": (changed, changes),
        }
        for what, (at, x) in terms.items():
            size = rows if what in {"state", "terminal"} else m
            weighting = self._weighting(what, size, 1 if what == "terminal" else h)
            if weighting is None or not at.size:
                continue
            weights, rotation = weighting[0][h - at.size :] if what == "control_rate" else weighting[0], weighting[1]
            if rotation is not None:
                x = x.mapped(sp.csr_array(sp.kron(sp.eye_array(at.size), rotation)))
            kept = np.flatnonzero(weights)
            if kept.size:
                entries = np.repeat(at, size)[kept], np.tile(np.arange(size), at.size)[kept]
                self._write(frame, f"{label}.{what}", *entries, weights.ravel()[kept], x.select(kept))

    @abstractmethod
    def _norm(self, vectors: Array, weights: Array) -> Array:
        """The norms (B, T) of vectors (B, T, size), with weights (T, size)."""

    @abstractmethod
    def _slope(self, vectors: Array, weights: Array) -> Array:
        """The gradients (B, T, size) of the norms of vectors (B, T, size)."""

    @abstractmethod
    def _write(self, frame: Frame, label: str, steps: Index, units: Index, weights: Array, x: Expression) -> None:
        """Add the norms of x to the objective; one step, unit and positive weight for each of its entries, by step."""


class L1(_Norm):
    """Weighted sum of absolute values; see the module's text."""

    name = "l1"

    def _norm(self, vectors: Array, weights: Array) -> Array:
        return np.asarray((np.abs(vectors) * weights).sum(axis=2))

    def _slope(self, vectors: Array, weights: Array) -> Array:
        return np.sign(vectors) * weights

    def _write(self, frame: Frame, label: str, steps: Index, units: Index, weights: Array, x: Expression) -> None:
        r = x.scaled(weights)
        s = frame.model.add_columns(frame.entries(label, steps, units), 0.0, _largest_absolute(frame, r))
        _bound_absolute(frame, label, steps, units, s, r)
        frame.model.minimise([(np.ones(s.size), s)])


class LInf(_Norm):
    """Weighted largest absolute value of each step; see the module's text."""

    name = "linf"

    def _norm(self, vectors: Array, weights: Array) -> Array:
        return np.asarray(np.abs(vectors * weights).max(axis=2))

    def _slope(self, vectors: Array, weights: Array) -> Array:
        largest = np.abs(vectors * weights).argmax(axis=2)[..., None] == np.arange(vectors.shape[2])
        return np.asarray(largest * np.sign(vectors) * weights)

    def _write(self, frame: Frame, label: str, steps: Index, units: Index, weights: Array, x: Expression) -> None:
        r = x.scaled(weights)
        at, first, of = np.unique(steps, return_index=True, return_inverse=True)
        largest = np.maximum.reduceat(_largest_absolute(frame, r), first)
        s = frame.model.add_columns(frame.names(label, at, np.zeros(1, dtype=np.intp)), 0.0, largest)
        _bound_absolute(frame, label, steps, units, s[of], r)
        frame.model.minimise([(np.ones(s.size), s)])


class Quadratic(_Norm):
    """Weighted squares: each weight a number, a vector (a diagonal) or a symmetric positive semidefinite matrix.

    A square array is such a matrix, also where there are as many steps as entries.
    """

    name = "quadratic"

    def _weighting(self, what: str, size: int, steps: int) -> tuple[Array, Array | None] | None:
        """A full matrix W = V' diag(w) V weighs the entries of V x by its eigenvalues w."""
        given = getattr(self, what)
        if given is None or np.ndim(given) < 2 or np.shape(given) == (steps, size) != (size, size):
            return super()._weighting(what, size, steps)
        matrix = np.asarray(given)
        if matrix.shape != (size, size) or not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T):
            by_step = "" if what == "terminal" else f", or weights by step, ({steps}, {size})"
            raise InvalidProblem(
                f"cost quadratic: {what} has shape {matrix.shape}; give a finite symmetric ({size}, {size}) "
                f"matrix{by_step}"
            )
        values, vectors = np.linalg.eigh(matrix)
        if values[0] < -1e-12 * max(1.0, values[-1]):
            raise InvalidProblem(
                f"cost quadratic: {what} has the eigenvalue {values[0]:g}; the cost is not convex, "
                "give a positive semidefinite matrix"
            )
        return np.tile(np.maximum(values, 0.0), (steps, 1)), vectors.T

    def _norm(self, vectors: Array, weights: Array) -> Array:
        return np.asarray((vectors**2 * weights).sum(axis=2))

    def _slope(self, vectors: Array, weights: Array) -> Array:
        return np.asarray(2 * vectors * weights)

    def _write(self, frame: Frame, label: str, steps: Index, units: Index, weights: Array, x: Expression) -> None:
        lower, upper = frame.limits(x)
        e = frame.model.add_columns(frame.entries(label, steps, units), lower, upper)
        frame.model.define(frame.entries(label, steps, units, ".is"), e, x)
        frame.model.minimise_squares(weights, e)


def _keypoints(value: Any, where: str) -> tuple[Array, Array]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        refuse(value, where, "a pair (C, d): the points C x + d")
    return numbers(value[0], f"{where}: C"), numbers(value[1], f"{where}: d")


def _largest_absolute(frame: Frame, r: Expression) -> Array:
    lower, upper = frame.limits(r)
    return np.maximum(np.abs(lower), np.abs(upper))


def _bound_absolute(frame: Frame, label: str, steps: Index, units: Index, s: Index, r: Expression) -> None:
    """Hold s above r and -r."""
    frame.model.hold(frame.entries(label, steps, units, ".above"), s, r)
    frame.model.hold(frame.entries(label, steps, units, ".below"), s, r.scaled(-1.0))
