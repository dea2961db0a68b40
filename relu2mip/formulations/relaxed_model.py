"""The problem around a value as a model: every value of the form has columns, and the problem's rows tie them.

`scope = "prefix"` leaves out what comes after the value: later values, rows that read them, and the columns that costs
add. `scope = "full"` keeps all of it. Columns and rows keep their positions in the full model as their identity, so
that a basis carries over from one model to the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.formulations import Encoder, Formulation
from relu2mip.lp.persistent import BASIC, NONBASIC_LOWER, NONBASIC_UPPER, Basis
from relu2mip.mip import MipModel, ModelBuilder, NameBlock
from relu2mip.mip.extend import with_rows
from relu2mip.mip.outer_approximation import tangent_relaxation
from relu2mip.normal_form import NormalForm
from relu2mip.unrolled.unrolled import Unrolled

log = logging.getLogger(__name__)

CUTOFF_SLACK = 1e-12
"""A cutoff is raised by this, relative to itself, so that rounding leaves the plan it came from feasible."""


@dataclass(frozen=True, eq=False)
class RelaxedModel:
    """The full model. columns: of each value of the form.  ends: network columns and rows up to and with each value.

    start: a basis in which every network column is defined by a row of its own, so that it is feasible as far as the
    sets allow.
    """

    model: MipModel
    columns: Sequence[Index]
    ends: Sequence[tuple[int, int]]
    start: Basis

    def part(self, i: int | None, choices: bool = False) -> tuple[MipModel, Index, Index]:
        """The model up to value i (None: all of it), and the positions of its columns and rows in the full model.

        choices: keep the problem's integral columns (discrete controls) too.
        """
        model = self.model
        keep = np.ones(model.columns, dtype=bool)
        rows = np.ones(model.rows, dtype=bool)
        if i is not None:
            network = self.ends[-1]
            keep[self.ends[i][0] :] = False
            rows[self.ends[i][1] : network[1]] = False
            keep[network[0] :] = model.integer[network[0] :] & choices
        # A row with a column that has no finite bounds can prove nothing by its duals.
        keep &= np.isfinite(model.lower) & np.isfinite(model.upper)
        rows &= abs(model.matrix) @ (~keep).astype(float) == 0
        columns, chosen = np.flatnonzero(keep), np.flatnonzero(rows)
        matrix = sp.csr_array(model.matrix[chosen][:, columns])
        part = MipModel(
            lower=model.lower[columns],
            upper=model.upper[columns],
            integer=model.integer[columns],
            cost=np.zeros(columns.size),
            matrix=matrix,
            row_lower=model.row_lower[chosen],
            row_upper=model.row_upper[chosen],
            column_names=model.column_names,
            row_names=model.row_names,
        )
        return part, columns, chosen


class Prefix:
    """The parts of a full model up to one value after another; what is written of a value stays.

    full: the model with what was known at the start. Bounds that were narrowed since enter where a value is first met.
    """

    def __init__(self, full: RelaxedModel, form: NormalForm, formulation: Formulation) -> None:
        self.full, self.formulation = full, formulation
        self.builder = ModelBuilder()
        self.encoder = Encoder(form, self.builder, every_affine=True)

    def part(self, i: int, lower: Sequence[Array], upper: Sequence[Array]) -> tuple[MipModel, Index, Index]:
        """As `RelaxedModel.part`, for values that only grow from call to call."""
        while len(self.encoder.expressions) <= i:
            self.encoder.add(lower, upper, self.formulation)
        part, columns, rows = self.full.part(i)
        network = self.builder.build()
        lows, highs = network.lower, network.upper
        for known, box in ((lower, lows), (upper, highs)):
            for place, values in zip(self.full.columns[: i + 1], known, strict=False):
                box[place] = values
        model = replace(
            part,
            lower=lows,
            upper=highs,
            matrix=sp.csr_array(sp.vstack([network.matrix, part.matrix[network.rows :]])),
            row_lower=np.concatenate([network.row_lower, part.row_lower[network.rows :]]),
            row_upper=np.concatenate([network.row_upper, part.row_upper[network.rows :]]),
        )
        return model, columns, rows


def relaxed_model(
    unrolled: Unrolled,
    form: NormalForm,
    lower: Sequence[Array],
    upper: Sequence[Array],
    formulation: Callable[[int], Formulation],
    cutoff: float | None = None,
) -> RelaxedModel:
    """The full model of a form (that of `unrolled`, or a rewrite of it) with a formulation for each value.

    cutoff: leaves only points whose objective is at most this.
    """
    builder = ModelBuilder()
    encoder = Encoder(form, builder, every_affine=True)
    ends = []
    for i in range(len(form.values)):
        encoder.add(lower, upper, formulation(i))
        ends.append(builder.size[0::2])
    columns = [_columns(encoder, i) for i in range(len(form.values))]
    unrolled.write(builder, {name: encoder.expressions[i] for name, i in form.outputs.items()})
    model = builder.build()
    if cutoff is not None:
        model = _cut(model, cutoff)
    start = Basis(np.full(model.columns, NONBASIC_LOWER), np.full(model.rows, BASIC))
    for determined, rows in builder.determined:
        start.columns[determined], start.rows[rows] = BASIC, NONBASIC_UPPER
    return RelaxedModel(model, columns, [(int(c), int(r)) for c, r in ends], start)


def _columns(encoder: Encoder, i: int) -> Index:
    ((_, columns),) = encoder.expressions[i].terms
    return columns


def _cut(model: MipModel, cutoff: float) -> MipModel:
    model = tangent_relaxation(model)
    limit = cutoff + CUTOFF_SLACK * abs(cutoff) - model.offset
    names = NameBlock("cutoff", np.zeros(1, dtype=np.intp))
    return with_rows(model, names, sp.csr_array(model.cost[None, :]), upper=np.array([limit]))
