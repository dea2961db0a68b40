"""A planning problem in units of about one, and the same problem rewritten in any other units."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import relu2mip as r2m
from benchmarks.trials.network import Affine, Layer, rewritten, written


@dataclass(frozen=True)
class Units:
    """How a problem is written: states, controls, hidden units (by layer) and the cost.

    states, controls: from units of about one.  hidden: seed and decades: factors 10^-d ... 10^d, 0 decades for none;
    `common` is one factor for all hidden units besides.  cost: factor.
    """

    states: Affine
    controls: Affine
    hidden_seed: int = 0
    hidden_decades: float = 0.0
    common: float = 1.0
    cost: float = 1.0

    @classmethod
    def plain(cls, n: int, m: int) -> Units:
        """As drawn."""
        return cls(Affine(np.ones(n), np.zeros(n)), Affine(np.ones(m), np.zeros(m)))

    def hidden(self, layers: list[Layer]) -> list[np.ndarray]:
        """The factors of every hidden layer."""
        rng = np.random.default_rng(self.hidden_seed)
        d = self.hidden_decades
        return [self.common * 10.0 ** rng.choice([-d, 0.0, d], layer.width) for layer in layers[:-1]]


@dataclass(frozen=True)
class Term:
    """A cost: "l1", "linf", "quadratic" with weights by name, or "network" with layers (of the state)."""

    kind: str
    target: np.ndarray | float = 0.0
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    terminal: float = 0.0


@dataclass(frozen=True)
class Rows:
    """lower <= state @ x[t] + control @ u[t] <= upper at some steps."""

    state: np.ndarray
    control: np.ndarray | None
    lower: float
    upper: float
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Sketch:
    """A problem in units of about one; arrays as in `relu2mip.Trajectory`.

    levels: the values of each control, or None with a box in `controls`.  start: some plan is given to the solver.
    """

    layers: tuple[Layer, ...]
    n: int
    m: int
    horizon: int
    initial: np.ndarray
    predicts: str = "state"
    window: int = 1
    levels: tuple[np.ndarray, ...] | None = None
    controls: tuple[np.ndarray, np.ndarray] | None = None
    states: tuple[np.ndarray, np.ndarray] | None = None
    terminal: tuple[np.ndarray, np.ndarray] | None = None
    rate: float | None = None
    past: np.ndarray | None = None
    rows: tuple[Rows, ...] = ()
    terms: tuple[Term, ...] = ()
    double: bool = True

    def rewritten(self, units: Units) -> list[Layer]:
        """The layers of the network in those units."""
        x, u, k = units.states, units.controls, self.window
        inputs = Affine(
            np.concatenate([np.tile(x.scale, k), np.tile(u.scale, k)]),
            np.concatenate([np.tile(x.offset, k), np.tile(u.offset, k)]),
        )
        output = Affine(x.scale, x.offset if self.predicts == "state" else np.zeros(self.n))
        return rewritten(list(self.layers), inputs, output, units.hidden(list(self.layers)))

    def problem(self, units: Units | None = None) -> r2m.Trajectory:
        """The problem in those units."""
        units = units or Units.plain(self.n, self.m)
        x, u = units.states, units.controls
        net = written(self.rewritten(units), self.double)
        if self.levels is not None:
            controls = r2m.Finite([s * v + c for v, s, c in zip(self.levels, u.scale, u.offset, strict=True)])
        else:
            controls = r2m.Box(u(self.controls[0]), u(self.controls[1]))
        cost = None
        for term in self.terms:
            cost = self.cost(term, units) if cost is None else cost + self.cost(term, units)
        return r2m.Trajectory(
            net,
            horizon=self.horizon,
            initial_state=x(self.initial[0] if self.window == 1 else self.initial),
            predicts=self.predicts,
            window=self.window,
            controls=controls,
            states=None if self.states is None else r2m.Box(x(self.states[0]), x(self.states[1])),
            terminal=None if self.terminal is None else r2m.Box(x(self.terminal[0]), x(self.terminal[1])),
            control_rate=None if self.rate is None else r2m.Box(-self.rate * u.scale, self.rate * u.scale),
            previous_controls=None if self.past is None else u(self.past),
            constraints=[self._rows(rows, units, k) for k, rows in enumerate(self.rows)],
            cost=cost,
        )

    def _rows(self, rows: Rows, units: Units, number: int) -> r2m.Linear:
        state = rows.state / units.states.scale
        shift, control = float(state @ units.states.offset), None
        if rows.control is not None:
            control = rows.control / units.controls.scale
            shift += float(control @ units.controls.offset)
        limits = rows.lower + shift, rows.upper + shift
        control = None if control is None else control[None]
        return r2m.Linear(state[None], control, *limits, steps=list(rows.steps), name=f"row{number}")

    def rewritten_cost(self, term: Term, units: Units) -> list[Layer]:
        """The layers of a cost network in those units."""
        layers, out = list(term.layers), Affine(np.full(1, units.cost), np.zeros(1))
        return rewritten(layers, units.states, out, units.hidden(layers))

    def cost(self, term: Term, units: Units) -> r2m.costs.Cost:
        """One cost in those units."""
        x, u = units.states, units.controls
        if term.kind == "network":
            net = written(self.rewritten_cost(term, units), self.double)
            return r2m.costs.Network(net, terminal=term.terminal)
        kind = {"l1": r2m.costs.L1, "linf": r2m.costs.LInf, "quadratic": r2m.costs.Quadratic}[term.kind]
        power = 2 if term.kind == "quadratic" else 1
        scales = {"state": x.scale, "terminal": x.scale, "control": u.scale, "control_rate": u.scale}
        weights = {what: units.cost * w / scales[what] ** power for what, w in term.weights.items()}
        return kind(target=x(np.broadcast_to(term.target, self.n)), **weights)
