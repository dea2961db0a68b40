"""Each step as a piecewise-affine map: its activation regions, enumerated, and one binary for each.

A step (`relu2mip.regions.steps`) maps inputs v to outputs y. Its regions P_r = {A_r v <= b_r, l_r <= v <= u_r}, with
y = F_r v + g_r on each, are found exactly by linear programs (`relu2mip.regions.enumerate`). With z_r in {0, 1} and
sum_r z_r = 1:

    hull       v = sum_r v_r,  A_r v_r <= b_r z_r,  l_r z_r <= v_r <= u_r z_r,  y = sum_r (F_r v_r + g_r z_r)
    no hull    A_r v <= b_r + M (1 - z_r),  sum_r l_r z_r <= v <= sum_r u_r z_r,  |y - F_r v - g_r| <= M (1 - z_r)

with an M of its own for each row, the largest violation over the ranges of the other regions. Outputs that no region
changes are one equality; inputs that every region treats alike have no copies.

With the hull, costs of v and y that are held up by rows, as those of `L1` and `LInf`, are written in each region, too
(`relu2mip.formulations.stage_cost`): s >= sum_r s_r, s_r >= the rows over v_r and F_r v_r + g_r z_r.

Per step of n inputs and m outputs with R regions and s sides in all: R binaries; with the hull R n columns,
2 R n + s + n + m + 1 rows; without, s + 2 R m + 2 n + 1 rows. Which region can follow which (`relu2mip.regions.graph`)
adds at most 2 R rows for each pair of steps. A cost column of K rows takes at most R columns and (K + 1) R + 1 rows.

Exact for valid bounds. With the hull ideal for each step: the relaxation, projected on (v, y), is the convex hull of
the step's graph inside its bounds; with the costs, projected on (v, y, s), that of what is above their graph. Two steps
together are not.

Source: Marcucci, Tedrake, "Mixed-integer formulations for optimal control of piecewise-affine systems" (HSCC 2019);
Balas, "Disjunctive programming" (1979).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.errors import CrossedBounds, InvalidOption
from relu2mip.formulations.big_m import BigM
from relu2mip.formulations.encode import Encoder, Encoding
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import Place
from relu2mip.options import Part, settle
from relu2mip.runtime.deadline import expired, limited, seconds_left

if TYPE_CHECKING:
    from relu2mip.regions import Region, Step
    from relu2mip.unrolled.bounds import Bounds

log = logging.getLogger(__name__)

STEP_SHARE = 0.25
"""Share of the time that is left for the regions of one step; without them it is written as `big-m`."""


@dataclass(frozen=True)
class Regions(Part):
    """One binary for each activation region of a step.

    hull: the convex hull of each step; otherwise big-M rows.  limit: a step with more regions is written as `big-m`,
    and so is one that there is no time for; the log and the notes of the statistics say which.  graph: rows that say
    which region can follow which.
    cost: the stage cost in each region, which takes the hull; squares (`Quadratic`) stay as they are, a note says so.
    """

    hull: bool = True
    limit: int = 64
    graph: bool = True
    cost: bool = True
    name: ClassVar[str] = "regions"
    exact: ClassVar[bool] = True

    def __post_init__(self) -> None:
        settle(self)
        if self.limit < 1:
            raise InvalidOption(f"regions: limit is {self.limit}; give at least 1")
        if self.cost and not self.hull:
            raise InvalidOption(
                "regions: the cost in each region is written on the hull; with hull=false give cost=false"
            )

    def encode(self, bounds: Bounds, model: ModelBuilder) -> tuple[Mapping[int, Expression], list[Encoding]]:
        """Add the form of `bounds`: columns for its cuts first, then one step after the other.

        Raises `CrossedBounds` for a step without any region.
        """
        from relu2mip.regions import split
        from relu2mip.regions.graph import can_follow, write_graph
        from relu2mip.regions.steps import cuts
        from relu2mip.regions.write import write_regions

        columns: dict[int, Index] = {}
        encodings = []
        for i in cuts(bounds.form).tolist():
            place, before = bounds.form.values[i].place, model.size
            columns[i] = model.add_columns(NameBlock.of(place), bounds.lower[i], bounds.upper[i])
            encodings.append(Encoding.since(before, model, place))
        written: list[tuple[Step, list[Region], Index]] = []
        for step in split(bounds):
            before = model.size
            regions, note = self._regions(step)
            v, y = (np.concatenate([np.zeros(0, dtype=np.intp), *(columns[i] for i in ends)])
                    for ends in (step.inputs, step.outputs))  # fmt: skip
            if regions is None:
                self._by_value(step, columns, model)
            else:
                z, hull = write_regions(model, step.place, regions, v, y, self.hull)
                if hull and self.cost:
                    model.disjunctions.append(hull)
                for first, earlier, binaries in written if self.graph and z.size and not expired() else []:
                    if set(first.outputs) & set(step.inputs):
                        pairs = can_follow(first, earlier, step, regions)
                        write_graph(model, first, binaries, step, z, pairs)
                if z.size:
                    written.append((step, regions, z))
            encodings.append(Encoding.since(before, model, step.place, note))
        return {i: Expression.of(k) for i, k in columns.items()}, encodings

    def _regions(self, step: Step) -> tuple[list[Region] | None, str]:
        """The regions of a step; None, and why, where it is written value by value."""
        from relu2mip.regions import RegionsOutOfTime, TooManyRegions, enumerate_regions

        if not step.nonlinear:
            return None, ""
        try:
            with limited(STEP_SHARE * seconds_left()):
                regions = enumerate_regions(step, self.limit)
        except TooManyRegions as error:
            why = "no time for its" if isinstance(error, RegionsOutOfTime) else f"more than {self.limit}"
            note = f"{step.place.prefix}: {why} regions, the step is written as big-m"
            log.warning(note)
            return None, note
        if not regions:
            raise CrossedBounds(
                f"{step.place.prefix}: no input within its bounds keeps the step within its own; "
                "widen the sets after this step, or the initial state"
            )
        return regions, ""

    def _by_value(self, step: Step, columns: Mapping[int, Index], model: ModelBuilder) -> None:
        """Write the values of a step one by one, and tie its outputs to their columns."""
        encoder = Encoder(step.form, model)
        encoder.expressions += [Expression.of(columns[i]) for i in step.inputs]
        for _ in step.form.values[len(step.inputs) :]:
            encoder.add(step.lower, step.upper, self)
        for i, k in zip(step.outputs, step.results, strict=True):
            x = encoder.expressions[k]
            rows = [(1.0, columns[i]), *x.scaled(-1.0).terms]
            model.add_rows(NameBlock.of(step.form.values[k].place, ".is"), rows, lower=x.constant, upper=x.constant)

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper, as big-M writes them."""
        return BigM().relu(model, x, lower, upper, place)

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, as big-M writes them."""
        return BigM().max(model, x, starts, lower, upper, place)
