"""How strong and how well scaled a compiled model is, before any solver time is spent on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from relu2mip.incumbent.find import find_plan
from relu2mip.lp.program import loaded, run
from relu2mip.mip import MipModel
from relu2mip.mip.condition import basis_matrix, condition_estimate
from relu2mip.mip.outer_approximation import tangent_relaxation
from relu2mip.pipeline.program import Program


@dataclass(frozen=True)
class Quality:
    """Figures of a model.

    root: optimum of the rows and column bounds alone, without integrality and whatever else is not a row, in the
    problem's own sense; NaN if it was not solved in time.  best: objective of the best plan known, NaN for none.
    gap: |best - root| / max(1e-9, |best|), the integrality gap.
    largest_m: largest coefficient of a binary in a row.  spread: largest over smallest nonzero coefficient of the rows.
    condition: estimate, from below, of the condition number (1-norm) of the basis at which that linear program ended;
    its logarithm is how many of the 16 digits a vertex may lose, and solvers ask for 6 to 9. NaN as for `root`.
    """

    columns: int
    binaries: int
    rows: int
    nonzeros: int
    root: float
    best: float
    gap: float
    largest_m: float
    spread: float
    condition: float

    def to_dict(self) -> Mapping[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def quality(compiled: Program, best: float = np.nan, time_limit: float = 30.0) -> Quality:
    """The figures of a compiled problem.

    best: a known objective; else that of the plan its bounds found, else of one that sampling and polishing finds.
    time_limit: seconds for the linear program.

    >>> import relu2mip as r2m
    >>> from relu2mip.pipeline.quality import quality
    >>> from relu2mip.ir.samples import tiny
    >>> figures = quality(r2m.compile(r2m.BoxProblem(tiny(), -1, 1, [1.0], "max")), best=2.0)
    >>> round(figures.root, 6), round(figures.gap, 6), figures.binaries, round(figures.largest_m, 6)
    (3.0, 0.5, 2, 2.0)
    """
    model = compiled.model
    sign = -1.0 if getattr(compiled.problem, "sense", "min") == "max" else 1.0
    if np.isnan(best):
        plan = compiled.all_bounds.plan or find_plan(compiled.problem.unrolled, compiled.all_bounds)
        best = sign * plan.cost if plan.feasible else np.nan
    root, condition = _root(model, time_limit)
    root *= sign
    sizes = np.abs(model.matrix.data[model.matrix.data != 0])
    binary = model.integer[model.matrix.indices[model.matrix.data != 0]]
    return Quality(
        columns=model.columns,
        binaries=model.binaries,
        rows=model.rows,
        nonzeros=model.nonzeros,
        root=root,
        best=best,
        gap=abs(best - root) / max(1e-9, abs(best)),
        largest_m=float(sizes[binary].max(initial=0.0)),
        spread=float(sizes.max() / sizes.min()) if sizes.size else 1.0,
        condition=condition,
    )


def _root(model: MipModel, time_limit: float) -> tuple[float, float]:
    """The optimum of the linear relaxation, and the condition of its basis; tangents replace a quadratic objective."""
    linear = tangent_relaxation(model)
    native = loaded(linear, integral=False)
    if run(native, time_limit) != "kOptimal":
        return np.nan, np.nan
    root = linear.objective(np.array(native.getSolution().col_value))
    return root, condition_estimate(basis_matrix(linear.matrix, native))
