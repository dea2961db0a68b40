"""The program of a problem that differs from a compiled one in its numbers, without compiling anew.

The network's part of the program is kept as it is: what was proven for a box of initial states, controls and states
holds for what lies inside. Of the new problem's own numbers, a quick pass narrows the bounds of columns. Sets and costs
are written again, which moves right-hand sides and coefficients of the objective. So the rows of the network never
change, and a solver that holds the program changes the rest in place (`relu2mip.mip.session`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import scipy.sparse as sp

from relu2mip.bounds import Bounds
from relu2mip.bounds.method import BoundMethod
from relu2mip.errors import Relu2MipError
from relu2mip.formulations import Encoding, Formulation
from relu2mip.formulations.phases import fix_phases
from relu2mip.formulations.stage_cost import write_stage_costs
from relu2mip.mip import Expression, MipModel, ModelBuilder, NameBlock
from relu2mip.mip.extend import with_rows
from relu2mip.passes.rewrite import Rewrite
from relu2mip.unrolled.unrolled import Unrolled


class RebuildReason(StrEnum):
    """Why a program cannot be updated, but must be compiled anew."""

    BOUNDS = "the bounds it was compiled with do not hold for the new problem"
    CUTOFF = "the bounds it was compiled with hold only for plans as good as one of the old problem"
    IRRELEVANT = "what does not matter to the old problem is left out of its program, and may matter to the new one"
    NETWORK = "known signals, cost networks or the heading change, which are part of the network"


class RebuildNeeded(Relu2MipError, RuntimeError):
    """A program cannot be updated, and compiling anew was forbidden; `reason` says why."""

    def __init__(self, reason: RebuildReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}; compile for wider sets and without a cutoff, or allow rebuilding")
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a program was compiled, and its part that belongs to the network, for updates.

    methods, formulation: as chosen.  known: the bounds that were found then, of the unrolled form.  rewrite: from that
    form to the one that was encoded.  network: the builder after that was done.  values: of the encoded form, as
    expressions over its columns.  cuts: rows that were added to the finished program.  binary_horizon: as given.
    encodings: what each value of that form cost.
    """

    methods: Sequence[BoundMethod]
    formulation: Formulation
    known: Bounds
    rewrite: Rewrite
    network: ModelBuilder
    values: Mapping[int, Expression]
    cuts: MipModel | None = None
    binary_horizon: int = 0
    encodings: Sequence[Encoding] = ()

    def why_not(self, unrolled: Unrolled) -> tuple[RebuildReason, str] | None:
        """Why the program cannot be updated for another problem, if it cannot."""
        if unrolled.form is not self.known.form:
            return RebuildReason.NETWORK, "the unrolled network is another one"
        if self.known.cutoff is not None:
            return RebuildReason.CUTOFF, f"an objective of {self.known.cutoff:g} or less"
        reason = self.known.why_not(unrolled)
        return (RebuildReason.BOUNDS, reason) if reason else None

    def narrowed(self, unrolled: Unrolled, passes: Sequence[BoundMethod]) -> Bounds:
        """The bounds inside the boxes of a new problem, and what quick passes make of them.

        Raises `CrossedBounds` where the new boxes leave no plan.
        """
        lower, upper = list(self.known.lower), list(self.known.upper)
        for i, (low, high) in unrolled.domain.items():
            lower[i], upper[i] = np.maximum(lower[i], low), np.minimum(upper[i], high)
        bounds = replace(self.known, lower=tuple(lower), upper=tuple(upper), plan=None)
        for method in passes:
            bounds = bounds.joined(method.tighten(unrolled, bounds))
        return replace(bounds, premises=unrolled.rests_on())

    def written(self, unrolled: Unrolled, reduced: Bounds) -> tuple[ModelBuilder, MipModel, list[Encoding]]:
        """The network within narrower bounds, of the encoded form, with the sets and costs of a problem.

        The binary of a unit whose phase these bounds decide is fixed. Also returns the size of stage costs.
        """
        lower, upper = self.network.limits()
        for i, expression in self.values.items():
            if (columns := expression.columns) is not None:
                lower[columns] = np.maximum(lower[columns], reduced.lower[i])
                upper[columns] = np.minimum(upper[columns], reduced.upper[i])
        fix_phases(reduced, self.network.values, lower, upper)
        model = self.network.narrowed(lower, np.maximum(lower, upper))
        unrolled.write(model, {name: self.values[i] for name, i in reduced.form.outputs.items()})
        stages = write_stage_costs(model)
        return model, self._cut(relaxed_from(model.build(), self.binary_horizon, self.encodings)), stages

    def _cut(self, model: MipModel) -> MipModel:
        """With the cuts of the first program, where the columns are the same."""
        if self.cuts is None or self.cuts.columns != model.columns:
            return model
        cuts = self.cuts
        return with_rows(model, NameBlock("cut", np.arange(cuts.rows)), cuts.matrix, cuts.row_lower, cuts.row_upper)


def relaxed_from(model: MipModel, step: int, encodings: Sequence[Encoding]) -> MipModel:
    """The program with continuous columns in place of the binaries of a step on; 0 keeps them all.

    encodings: of the values at the beginning of the program, in its order.
    """
    if not step:
        return model
    steps, first = model.column_names.known_steps.copy(), 0
    for made in encodings:
        if first + made.columns > model.columns:
            break
        steps[first : first + made.columns] = -1 if made.place.step is None else made.place.step
        first += made.columns
    return replace(model, integer=model.integer & (steps < step))


def rows_from(model: MipModel, first: int) -> MipModel | None:
    """The rows of a program from one on, alone; None where there are none."""
    if model.rows == first:
        return None
    matrix = sp.csr_array(model.matrix[first:])
    return replace(model, matrix=matrix, row_lower=model.row_lower[first:], row_upper=model.row_upper[first:])
