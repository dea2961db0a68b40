"""Put one network inside a user's own optimisation model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.compiled import BoundSpec
from relu2mip.compiled import compile as compile_problem
from relu2mip.errors import InvalidProblem
from relu2mip.formulations import Formulation
from relu2mip.ir import Graph
from relu2mip.solving import resolve_backend
from relu2mip.trajectory.box_problem import BoxProblem, output_name

_BACKENDS = {"gurobipy": "gurobi", "highspy": "highs", "cvxpy": "cvxpy"}


@dataclass(frozen=True, eq=False)
class Embedded:
    """A network inside a model: handles of its outputs by name, and of every other vector that was added.

    `binaries`, `columns` and `rows` say how large the addition is.
    """

    outputs: Mapping[str, Any]
    values: Mapping[str, Any]
    columns: int
    binaries: int
    rows: int

    @property
    def output(self) -> Any:
        """The handles of the only output; raises `InvalidProblem` where there are several."""
        if len(self.outputs) != 1:
            raise InvalidProblem(f"the network has outputs {list(self.outputs)}; pick one from .outputs")
        return next(iter(self.outputs.values()))


def embed(
    net: Graph,
    x: Any,
    model: Any,
    lower: ArrayLike,
    upper: ArrayLike,
    bounds: BoundSpec = "auto",
    formulation: str | Formulation = "auto",
) -> Embedded:
    """Add `y = net(x)` to a model; returns the handles of y.

    x: handles of the inputs, flat over all inputs in graph order: a `gurobipy.MVar`, a `cvxpy` expression, or an array
    of HiGHS column indices; for several inputs also a mapping by input name.
    model: a `gurobipy.Model`, a `highspy.Highs`, or a list that cvxpy constraints are appended to.
    lower, upper: limits of x that the caller's model enforces or accepts; they are added as constraints on x, so that
    the encoding is exact wherever the model is feasible.

    Raises `InvalidProblem` for another kind of model or a wrong number of inputs, and what `relu2mip.compile` raises.

    >>> import cvxpy as cp, numpy as np, relu2mip as r2m
    >>> from relu2mip.samples import tiny
    >>> x, constraints = cp.Variable(2), []
    >>> y = r2m.embed(tiny(), x, constraints, -1, 1).output
    >>> problem = cp.Problem(cp.Maximize(y[0] - 0.5 * x[0]), constraints)
    >>> round(float(problem.solve(solver="HIGHS")), 6)
    1.5
    """
    module = "cvxpy" if isinstance(model, list) else type(model).__module__.partition(".")[0]
    if module == "highspy" or type(model).__name__ == "Highs":
        module = "highspy"
    if module not in _BACKENDS:
        raise InvalidProblem(
            f"cannot embed into a {type(model).__name__}; give a gurobipy.Model, a highspy.Highs, "
            "or a list for cvxpy constraints"
        )
    problem = BoxProblem(net, lower, upper, np.zeros(net.output_size))
    compiled = compile_problem(problem, bounds, formulation)
    handles = _by_input(net, x)
    added = resolve_backend(_BACKENDS[module]).attach(compiled.model, model, handles)
    outputs = {port.name: added[output_name(net, port.name)] for port in net.outputs}
    sizes = compiled.model
    return Embedded(outputs, added, sizes.columns - net.input_size, sizes.binaries, sizes.rows)


def _by_input(net: Graph, x: Any) -> dict[str, Any]:
    if isinstance(x, Mapping):
        given = dict(x)
    elif len(net.inputs) == 1:
        given = {net.inputs[0].name: x}
    else:
        ends = np.cumsum([0, *(port.size for port in net.inputs)])
        given = {p.name: x[a:b] for p, a, b in zip(net.inputs, ends[:-1], ends[1:], strict=True)}
    for port in net.inputs:
        size = int(np.prod(np.shape(given[port.name]))) if port.name in given else 0
        if size != port.size:
            raise InvalidProblem(
                f"{net.name}: input {port.name!r} has {port.size} entries, x gives {size}; "
                f"give {net.input_size} handles in all, in the order {[p.name for p in net.inputs]}"
            )
    return given
