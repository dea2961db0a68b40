"""Put one network inside a user's own optimisation model."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip import accept
from relu2mip.errors import InvalidProblem
from relu2mip.formulations import Formulation
from relu2mip.ir import Graph
from relu2mip.pipeline.compiled import compile as compile_problem
from relu2mip.pipeline.specs import BoundSpec, resolve_backend
from relu2mip.trajectory.box_problem import BoxProblem, output_name
from relu2mip.trajectory.network import network
from relu2mip.unrolled.provenance import Grade

_BACKENDS = {"gurobipy": "gurobi", "highspy": "highs", "cvxpy": "cvxpy"}


@dataclass(frozen=True, eq=False)
class Embedded:
    """A network inside a model: handles of its outputs by name, and of every other vector that was added.

    `binaries`, `columns` and `rows` say how large the addition is; `exact`, `grade` and `cutoff` what it rests on, as
    in `relu2mip.backends.protocol.Emitted`.
    """

    outputs: Mapping[str, Any]
    values: Mapping[str, Any]
    columns: int
    binaries: int
    rows: int
    exact: bool
    grade: Grade
    cutoff: float | None

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
    name: str | None = None,
) -> Embedded:
    """Add `y = net(x)` to a model; returns the handles of y.

    x: handles of the inputs, flat over all inputs in graph order: a `gurobipy.MVar`, a `cvxpy` expression, or an array
    of HiGHS column indices; for several inputs also a mapping by input name.
    model: a `gurobipy.Model`, a `highspy.Highs`, or a list that cvxpy constraints are appended to.
    lower, upper: limits of x that the caller's model enforces or accepts; they are added as constraints on x, so that
    the encoding is exact wherever the model is feasible.
    name: what the names of added variables and rows begin with; None: the network's name and a number that makes them
    new to the model. Only gurobipy keeps names.

    Raises `InvalidProblem` for another kind of model or a wrong number of inputs, and what `relu2mip.compile` raises.
    Warns where the formulation is a relaxation or the bounds are unsound.

    >>> import cvxpy as cp, numpy as np, relu2mip as r2m
    >>> from relu2mip.ir.samples import tiny
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
            f"cannot embed into a {type(model).__name__}: model must be a gurobipy.Model, a highspy.Highs, "
            "or a list for cvxpy constraints"
        )
    net = network(net, "net")
    problem = BoxProblem(net, lower, upper, np.zeros(net.output_size))
    handles = _by_input(problem.net, x)
    if module == "cvxpy":
        wanted = "a cvxpy variable or expression"
        handles = {
            key: handle if type(handle).__module__.startswith("cvxpy") else accept.numbers(handle, "x", wanted)
            for key, handle in handles.items()
        }
    taken = _first_words(model) if module == "gurobipy" else set()
    if name is not None and accept.text(name, "name") in taken:
        raise InvalidProblem(f"name is {name!r}, which names in the model begin with; give another one, or none")
    compiled = compile_problem(problem, bounds, formulation)
    compiled.require_complete("a model that you solve yourself")
    prefix = name or _unused(re.sub(r"\W", "_", problem.net.name), taken)
    sizes, net = compiled.model, problem.net
    named = replace(sizes, column_names=sizes.column_names.within(f"{prefix}."),
                    row_names=sizes.row_names.within(f"{prefix}."))  # fmt: skip
    added = resolve_backend(_BACKENDS[module]).attach(named, model, handles)
    compiled.warn(f"embedded {net.name}")
    rests = compiled.exact, compiled.all_bounds.grade, compiled.all_bounds.cutoff
    outputs = {port.name: added[output_name(net, port.name)] for port in net.outputs}
    return Embedded(outputs, added, sizes.columns - net.input_size, sizes.binaries, sizes.rows, *rests)


def _first_words(model: Any) -> set[str]:
    """The beginnings of the names of a gurobipy model, up to the first dot."""
    model.update()
    rows = (row.ConstrName for row in model.getConstrs())
    return {name.partition(".")[0] for name in (*(x.VarName for x in model.getVars()), *rows)}


def _unused(stem: str, taken: set[str]) -> str:
    return next(word for k in itertools.count(1) if (word := f"{stem}{k}") not in taken)


def _by_input(net: Graph, x: Any) -> dict[str, Any]:
    if type(x).__module__.startswith("gurobipy") and isinstance(x, Mapping):  # a tupledict, keyed by number
        x = list(x.values())
    if isinstance(x, list | tuple) and any(isinstance(row, list | tuple) for row in x):
        x = [entry for row in x for entry in (row if isinstance(row, list | tuple) else [row])]
    if isinstance(x, Mapping):
        given = dict(x)
    elif len(net.inputs) == 1:
        given = {net.inputs[0].name: x}
    else:
        ends = np.cumsum([0, *(port.size for port in net.inputs)])
        given = {p.name: x[a:b] for p, a, b in zip(net.inputs, ends[:-1], ends[1:], strict=True)}
    for port in net.inputs:
        try:
            size = int(np.prod(np.shape(given[port.name]))) if port.name in given else 0
        except (ValueError, TypeError):
            accept.refuse(given[port.name], "x", "handles in one list, flat over all inputs")
        if size != port.size:
            raise InvalidProblem(
                f"{net.name}: input {port.name!r} has {port.size} entries, x gives {size}; "
                f"give {net.input_size} handles in all, in the order {[p.name for p in net.inputs]}"
            )
    return given
