"""A model inside HiGHS: handed over here and nowhere else, and run on one clock."""

from __future__ import annotations

from typing import Any

import numpy as np

from relu2mip.errors import SolverFailure
from relu2mip.lp import highs_process
from relu2mip.mip.model import MipModel

LEAST_SECONDS = 1e-3
"""A limit that is over already is this long, on a clock that runs on."""


def loaded(model: MipModel, *, cost: bool = True, integral: bool = True, **options: Any) -> Any:
    """A silent `highspy.Highs` with these options that holds the columns and rows of a model.

    cost, integral: whether its objective and its integrality, too.  Raises `SolverFailure`.
    """
    highs = highs_process.silent()
    for name, value in options.items():
        if highs.setOptionValue(name, value).name == "kError":
            raise SolverFailure(f"HiGHS refused option {name} = {value}")
    load(highs, model, cost=cost, integral=integral)
    return highs


def load(highs: Any, model: MipModel, *, cost: bool = True, integral: bool = True) -> None:
    """Hand a model to a solver object, in place of what it held; raises `SolverFailure`."""
    from highspy import MatrixFormat, ObjSense

    status = highs.passModel(
        model.columns,
        model.rows,
        model.matrix.nnz,
        int(MatrixFormat.kRowwise),
        int(ObjSense.kMinimize),
        model.offset if cost else 0.0,
        model.cost if cost else np.zeros(model.columns),
        model.lower,
        model.upper,
        model.row_lower,
        model.row_upper,
        model.matrix.indptr.astype(np.int32),
        model.matrix.indices.astype(np.int32),
        model.matrix.data,
        model.integer.astype(np.int32) if integral else np.zeros(model.columns, dtype=np.int32),
    )
    if status.name == "kError":
        raise SolverFailure("HiGHS refused the model")


def run(highs: Any, seconds: float) -> str:
    """Run a program of our own for at most so long; the name of its status.

    HiGHS measures its limit on a clock that runs on from solve to solve.
    """
    highs.setOptionValue("time_limit", highs.getRunTime() + max(seconds, LEAST_SECONDS))
    highs_process.run(highs)
    return str(highs.getModelStatus().name)
