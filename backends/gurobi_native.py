"""A model as a `gurobipy.Model`: one `addMVar` and one `addMConstr` per sense hand over the arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Mask
from relu2mip.errors import BackendUnavailable, InvalidProblem, SolverFailure
from relu2mip.mip import MipModel
from relu2mip.mip.capability import Capability, needs

SIZE_LIMIT = 10010
"""The error of a licence that is too small."""


def native_model(model: MipModel, environment: Any, named: bool = False) -> tuple[Any, Any]:
    """A silent `gurobipy.Model` that holds the model, and its columns as one `MVar`."""
    native = gurobipy_package().Model(env=environment)
    names = list(model.column_names) if named else None
    x = add_columns(native, model.lower, model.upper, model.integer, names)
    for sense, right, rows in sides(model.row_lower, model.row_upper):
        row_names = [model.row_names[k] for k in rows.tolist()] if named else ""
        native.addMConstr(model.matrix[rows], x, sense, right, name=row_names)
    if model.columns:
        squares = None if model.quadratic is None else sp.diags_array(model.quadratic, format="csr")
        native.setMObjective(squares, model.cost, model.offset, xQ_L=x, xQ_R=x, xc=x)
    variables = x.tolist()
    if model.sos1 is not None:
        for a, b in zip(model.sos1.starts[:-1].tolist(), model.sos1.starts[1:].tolist(), strict=True):
            native.addSOS(1, [variables[k] for k in model.sos1.members[a:b].tolist()])
    if model.indicators is not None:
        rows_of = model.indicators
        for sense, right, rows in sides(rows_of.lower, rows_of.upper):
            binary, active = x[rows_of.binary[rows]], rows_of.active[rows]
            for value in (False, True):
                chosen = np.flatnonzero(active == value)
                if chosen.size:
                    left = rows_of.matrix[rows[chosen]] @ x
                    native.addGenConstrIndicator(binary[chosen], value, left, sense, right[chosen])
    if model.maxima is not None:
        maxima = model.maxima
        ends, constants = maxima.operands.starts.tolist(), maxima.constant.tolist()
        for k, (y, c) in enumerate(zip(maxima.result.tolist(), constants, strict=True)):
            operands = [variables[i] for i in maxima.operands.members[ends[k] : ends[k + 1]].tolist()]
            native.addGenConstrMax(variables[y], operands, *(() if c == -np.inf else (c,)))
    if model.pairs is not None:
        native.addConstr(x[model.pairs.first] * x[model.pairs.second] == 0)
    native.update()
    return native, x


def gurobipy_package() -> Any:
    """The package, imported when first needed; its types are narrower than what it takes."""
    import gurobipy

    return gurobipy


def add_columns(native: Any, lower_: Array, upper: Array, integer: Mask, names: list[str] | None) -> Any:
    """Columns, as one `MVar`."""
    kinds = np.where(integer, "I", "C")
    return native.addMVar(lower_.size, lb=lower_, ub=upper, vtype=kinds, name=names or "")


def sides(lower_: Array, upper: Array) -> Iterator[tuple[str, Array, Index]]:
    """Rows as Gurobi has them, which has no ranges: sense, right-hand side, and which rows."""
    equal = lower_ == upper
    for sense, right, mask in (
        ("=", lower_, equal),
        (">", lower_, np.isfinite(lower_) & ~equal),
        ("<", upper, np.isfinite(upper) & ~equal),
    ):
        rows = np.flatnonzero(mask)
        if rows.size:
            yield sense, right[rows], rows


def add_rows(native: Any, left: Any, sense: str, right: Array) -> Any:
    """Rows of one sense."""
    return native.addConstr(left == right if sense == "=" else left >= right if sense == ">" else left <= right)


def placed(vector: Any, where: Index, size: int) -> Any:
    """The vector's entries at their positions in a vector of all columns."""
    return sp.csr_array((np.ones(where.size), (where, np.arange(where.size))), shape=(size, where.size)) @ vector


def vector(handle: Any) -> Any:
    """Handles that a caller gives, as one vector; raises `InvalidProblem`."""
    gurobipy = gurobipy_package()
    if isinstance(handle, (gurobipy.MVar, gurobipy.MLinExpr)):
        return handle.reshape(-1) if isinstance(handle, gurobipy.MVar) else handle
    try:
        return gurobipy.MVar.fromlist(list(handle))
    except (TypeError, ValueError) as error:
        raise InvalidProblem("give gurobipy variables: an MVar, an MLinExpr, or a list of Var") from error


def start_values(start: Array) -> Array:
    """A start as Gurobi has it, for which NaN is another number."""
    from gurobipy import GRB

    return np.where(np.isnan(start), GRB.UNDEFINED, start)


def silent_environment() -> Any:
    """A Gurobi environment that does not print its licence; raises `BackendUnavailable` where there is none."""
    from gurobipy import Env, GurobiError

    try:
        environment = Env(empty=True)
        environment.setParam("OutputFlag", 0)
        environment.start()
    except GurobiError as error:
        raise BackendUnavailable(f"backend 'gurobi': no licence: {error}") from error
    return environment


def size_limit(model: MipModel) -> BackendUnavailable:
    """The error for a licence that is too small for the model."""
    held = needs(model)
    advice = ""
    if Capability.QUADRATIC in held:
        advice = " (200 columns with a quadratic cost, for which gurobi(quadratic=cuts) lifts that limit)"
    if Capability.PAIRS in held:
        advice = " (200 columns with complementary pairs; the formulation sos1 has no such limit)"
    return BackendUnavailable(
        f"this Gurobi licence is limited in size: the model has {model.columns:,} columns and {model.rows:,} rows, "
        f"the licence that comes with pip takes 2,000 of each{advice}. Use backend 'highs', shorten the horizon, or "
        f"install a full licence (free for academics)"
    )


@contextmanager
def translated_errors(model: MipModel) -> Iterator[None]:
    """Gurobi's errors as ours: `BackendUnavailable` for the size of the licence, else `SolverFailure`."""
    import gurobipy

    try:
        yield
    except gurobipy.GurobiError as error:
        if error.errno == SIZE_LIMIT:
            raise size_limit(model) from error
        raise SolverFailure(f"Gurobi: {error} (error {error.errno})") from error
