"""Several scenarios under one sequence of controls: networks of an ensemble, or several initial states.

The states of the scenarios are laid end to end; each follows its own network from its own initial state, all of them
the same controls. Sets hold in every scenario, and the cost is the mean or the worst of theirs.

    minimise    mean_e cost(x_e, u),  or  z  with  z >= cost(x_e, u)  for every scenario e

Source: scenario optimisation, Calafiore, Campi, "The scenario approach to robust control design" (IEEE TAC 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.accept import numbers
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.ir.graph import Node, Port
from relu2mip.ir.ops import Linear as LinearOp
from relu2mip.ir.ops import Rearrange
from relu2mip.mip import Expression, NameBlock
from relu2mip.trajectory.choices import AnyOf, Outside
from relu2mip.trajectory.costs import Cost
from relu2mip.trajectory.frame import Frame
from relu2mip.trajectory.network import network
from relu2mip.trajectory.sets import Box, Linear
from relu2mip.trajectory.statement import Statement

Stated = TypeVar("Stated", bound=Statement)


def scenarios(
    problem: Stated,
    nets: Sequence[Any] | None = None,
    initial_states: Sequence[ArrayLike | Box] | None = None,
    cost: str = "mean",
) -> Stated:
    """The problem for several networks, several initial states, or as many of both, under one sequence of controls.

    nets: networks (or paths) of the shape of the problem's.  initial_states: points (n,), or boxes.  cost: "mean" or
    "worst". The states of the answer, (H + 1, E n), are those of the scenarios end to end.

    Raises `InvalidProblem` for windows, known signals and cost networks, which scenarios do not have, and for networks
    or states of another shape.

    >>> import relu2mip as r2m
    >>> from relu2mip.ir.samples import integrator
    >>> problem = r2m.Trajectory(
    ...     integrator(), horizon=3, initial_state=[1.0, 0.0], predicts="change",
    ...     controls=r2m.Box(-1, 1), cost=r2m.costs.L1(state=1.0))
    >>> both = r2m.scenarios(problem, initial_states=[[1.0, 0.0], [0.8, 0.1]], cost="worst")
    >>> both.n, both.m
    (4, 1)
    """
    if nets is None and initial_states is None:
        raise InvalidProblem("scenarios: give networks, initial_states, or both")
    if problem.window > 1 or problem.known or (problem.cost is not None and any(problem.cost.networks())):
        raise InvalidProblem("scenarios: a window, known signals and cost networks cannot be shared by scenarios")
    if cost not in {"mean", "worst"}:
        raise InvalidProblem(f'scenarios: cost is {cost!r}; give "mean" or "worst"')
    graphs = [problem.net] if nets is None else [network(net, f"nets[{k}]") for k, net in enumerate(nets)]
    firsts = [problem.initial_state] if initial_states is None else list(initial_states)
    count = max(len(graphs), len(firsts))
    if not count or {len(graphs), len(firsts)} - {1, count}:
        raise InvalidProblem(f"scenarios: {len(graphs)} networks, {len(firsts)} initial states; give as many, or one")
    graphs, firsts = graphs * (count // len(graphs)), firsts * (count // len(firsts))
    singles = [_one(problem, e, net, first) for e, (net, first) in enumerate(zip(graphs, firsts, strict=True))]
    low, high = (np.concatenate([one.initial_limits[side][0] for one in singles]) for side in (0, 1))
    terminal = problem.terminal if isinstance(problem.terminal, tuple) else (problem.terminal,)
    return replace(
        problem,
        net=_joined(singles),
        initial_state=low if (low == high).all() else Box(low, high),
        states=None if problem.states is None else Box(*_tiled(problem.states, problem, count)),
        cost=None if problem.cost is None else Shared(problem.cost, count, cost),
        inputs=None,
        output=None,
        normalisation=None,
        heading=None,
        constraints=[made for part in problem.constraints for made in _each(part, problem, count)],
        terminal=tuple(made for part in terminal if part is not None for made in _ends(part, problem, count)) or None,
        state_names=problem.state_names and [f"{name} {e}" for e in range(count) for name in problem.state_names],
    )


def _one(problem: Stated, e: int, net: Graph, first: ArrayLike | Box) -> Stated:
    """Scenario e alone."""
    try:
        made = replace(problem, net=net, initial_state=first)
    except InvalidProblem as error:
        raise InvalidProblem(f"scenario {e}, with {net.name}: {error}") from None
    if (made.n, made.m) != (problem.n, problem.m):
        raise InvalidProblem(
            f"scenario {e}: the network {net.name} has {made.n} states and {made.m} controls; "
            f"give one with {problem.n} and {problem.m}"
        )
    return made


@dataclass(frozen=True, eq=False)
class Shared(Cost):
    """The mean or the worst of a cost over scenarios whose states lie end to end."""

    cost: Cost
    count: int
    how: str
    name: ClassVar[str] = "shared"

    @property
    def weighs_states(self) -> bool:
        """As the cost of each."""
        return bool(getattr(self.cost, "weighs_states", False))

    def aimed(self, target: ArrayLike) -> Cost:
        """With another target in every scenario."""
        return replace(self, cost=self.cost.aimed(target))

    def validate(self, n: int, m: int, horizon: int) -> None:
        """Check the cost of each."""
        self.cost.validate(n // self.count, m, horizon)

    def evaluate(self, states: Array, controls: Array, previous_control: Array | None) -> Array:
        """Mean or maximum (B,)."""
        each = self._each(states, controls, previous_control)
        return np.asarray(each.mean(axis=0) if self.how == "mean" else each.max(axis=0))

    def gradient(self, states: Array, controls: Array, previous_control: Array | None) -> tuple[Array, Array]:
        """That of the mean, or of the scenario that is worst."""
        each = self._each(states, controls, previous_control)
        weights = np.full(each.shape, 1.0 / self.count)
        if self.how == "worst":
            weights = (each.argmax(axis=0) == np.arange(self.count)[:, None]).astype(np.float64)
        by_state, by_control = [], np.zeros_like(controls)
        for part, weight in zip(np.split(states, self.count, axis=2), weights, strict=True):
            x, u = self.cost.gradient(part, controls, previous_control)
            by_state.append(weight[:, None, None] * x)
            by_control = by_control + weight[:, None, None] * u
        return np.concatenate(by_state, axis=2), by_control

    def write(self, frame: Frame, label: str) -> None:
        """Write each cost on its own columns; its objective is weighed, or held below one column."""
        worst = []
        for e, columns in enumerate(np.split(frame.states, self.count, axis=1)):
            taken = _Taken(frame.model)
            self.cost.write(replace(frame, model=taken, states=columns), f"{label}.scenario{e}")  # type: ignore[arg-type]
            if self.how == "mean":
                taken.weigh(1.0 / self.count)
            else:
                worst.append(taken.expression())
        if worst:
            low, high = (np.array([frame.limits(x)[side][0] for x in worst]) for side in (0, 1))
            name = NameBlock(f"{label}.worst", np.zeros(1, dtype=np.intp))
            z = frame.model.add_columns(name, low.max(), high.max())
            for e, x in enumerate(worst):
                frame.model.hold(NameBlock(f"{label}.scenario{e}", np.zeros(1, dtype=np.intp), ".worst"), z, x)
            frame.model.minimise([(np.ones(1), z)])

    def _each(self, states: Array, controls: Array, previous_control: Array | None) -> Array:
        parts = np.split(states, self.count, axis=2)
        return np.stack([self.cost.evaluate(part, controls, previous_control) for part in parts])


class _Taken:
    """A model builder that keeps what is to be minimised."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._linear: list[tuple[Array, Any]] = []
        self._squares: list[tuple[Array, Any]] = []
        self._offset = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def minimise(self, terms: Any, offset: float = 0.0) -> None:
        self._linear += [(np.broadcast_to(c, columns.shape).astype(float), columns) for c, columns in terms]
        self._offset += offset

    def minimise_squares(self, weights: Any, columns: Any) -> None:
        self._squares.append((np.broadcast_to(weights, columns.shape).astype(float), columns))

    def minimise_expression(self, weights: Array, expression: Expression) -> None:
        for matrix, columns in expression.terms:
            self._linear.append((weights * matrix if matrix.ndim == 1 else np.asarray(weights @ matrix), columns))
        self._offset += float(weights @ expression.constant)

    def weigh(self, factor: float) -> None:
        """Minimise it, multiplied."""
        self._model.minimise([(factor * c, columns) for c, columns in self._linear], factor * self._offset)
        for weights, columns in self._squares:
            self._model.minimise_squares(factor * weights, columns)

    def expression(self) -> Expression:
        """It as one expression."""
        if self._squares:
            raise InvalidProblem(
                "scenarios: the worst of quadratic costs is not a quadratic cost; take the mean, or L1"
            )
        return Expression(tuple((c[None], columns) for c, columns in self._linear), np.array([self._offset]))


def _joined(singles: Sequence[Statement]) -> Graph:
    """One network from all states and the control to all predictions."""
    count, n, m = len(singles), singles[0].n, singles[0].m
    nodes, ends = [], []
    for e, one in enumerate(singles):
        dynamics = one.dynamics
        where = {"state[0]": e * n + np.arange(n), "control[0]": count * n + np.arange(m)}
        tensors = {}
        for port in one.net.inputs:
            blocks = dynamics.layout[port.name]
            index = np.concatenate([where[block] for block in blocks])
            matrices, shifts = zip(*(dynamics.reads(block) for block in blocks), strict=True)
            matrix, shift = sp.block_diag(matrices).toarray(), np.concatenate(shifts)
            read, scaled = f"s{e}.read.{port.name}", f"s{e}.{port.name}"
            nodes.append(Node(read, Rearrange(index), ("x",), (index.size,)))
            nodes.append(Node(scaled, LinearOp(matrix, shift), (read,), (index.size,)))
            tensors[port.name] = scaled
        for node in one.net.nodes:
            tensors[node.name] = f"s{e}.{node.name}"
            inputs = tuple(tensors[name] for name in node.inputs)
            nodes.append(Node(tensors[node.name], node.op, inputs, node.shape, node.origin))
        given, offset = dynamics.gives()
        ends.append(f"s{e}.predicted")
        nodes.append(Node(ends[-1], LinearOp(given.toarray(), offset), (tensors[dynamics.output],), (n,)))
    nodes.append(Node("y", Rearrange(np.arange(count * n)), tuple(ends), (count * n,)))
    name = " + ".join(dict.fromkeys(one.net.name for one in singles))
    return Graph(name, (Port("x", (count * n + m,)),), (Port("y", (count * n,)),), tuple(nodes))


def _tiled(box: Box, problem: Statement, count: int) -> tuple[Array, Array]:
    lower, upper = box.limits("states", problem.horizon, problem.n, 1)
    return np.tile(lower, count), np.tile(upper, count)


def _within(matrix: ArrayLike, e: int, count: int, n: int) -> Array:
    """A matrix over the states of one scenario, over those of all."""
    given = np.atleast_2d(numbers(matrix, "state"))
    whole = np.zeros((len(given), count * n))
    whole[:, e * n : (e + 1) * n] = given
    return whole


def _each(part: Any, problem: Statement, count: int) -> list[Any]:
    """A constraint in every scenario."""
    n = problem.n
    if isinstance(part, Linear):
        if part.state is None:
            return [part]
        made = [replace(part, state=_within(part.state, e, count, n), name=f"{part.name} {e}") for e in range(count)]
        return list(made)
    if isinstance(part, Outside):
        c, d = part.keypoints if part.keypoints is not None else part.points(n)
        return [replace(part, keypoints=(_within(c, e, count, n), d), name=f"{part.name} {e}") for e in range(count)]
    kept: dict[str, Any] = {"steps": part.steps, "between": part.between, "formulation": part.formulation}
    return [
        AnyOf(*(_linear(one, problem, e, count) for one in part.sets), **kept, name=f"{part.name} {e}")
        for e in range(count)
    ]


def _linear(part: Box | Linear, problem: Statement, e: int, count: int) -> Linear:
    if isinstance(part, Linear):
        return replace(part, state=_within(part.state, e, count, problem.n))  # type: ignore[arg-type]
    lower, upper = part.limits("AnyOf", 1, problem.n)
    return Linear(_within(np.eye(problem.n), e, count, problem.n), None, lower[0], upper[0])


def _ends(part: Box | Linear, problem: Statement, count: int) -> list[Box | Linear]:
    if isinstance(part, Linear):
        return [replace(part, state=_within(part.state, e, count, problem.n)) for e in range(count)]  # type: ignore[arg-type]
    lower, upper = part.limits("terminal", 1, problem.n)
    return [Box(np.tile(lower[0], count), np.tile(upper[0], count))]
