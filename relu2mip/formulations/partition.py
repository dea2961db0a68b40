"""Partition: the inputs of each unit in a few parts; between big-M and the convex hull.

ReLU y = max(x, 0) with pre-activation x = w v + b in [l, u], l < 0 < u. The inputs with nonzero weight are split into N
parts; z_n = sum of w_j v_j over part n is in [L_n, U_n], and s_n is its share while the unit is active:

    s_n <= U_n a,   s_n <= z_n - L_n (1 - a),   y <= sum_n s_n + b a,   y >= x,   0 <= y <= u,   a in {0, 1}

The published formulation has two columns a part, z_n = z_n^active + z_n^inactive, and four rows; the inactive one is
substituted here, and the half of the rows that never binds is left out (`relu2mip.formulations.shares`).

[L_n, U_n]: intervals from the bounds of the columns, narrowed by [l, u] (z_n is what the other parts leave of x). With
tighten = "lp" also by linear programs: each z_n is minimised and maximised over the relaxation of the model so far, two
programs a part, within a budget.

split = "equal-size": parts of equal size, inputs in the order of their columns. "weight-sorted": the same after sorting
by weight, so that the weights of a part are alike: a part of equal weights over equal bounds is as good as its inputs
one by one. Fixed columns, and those with less than 10^-4 of the unit's range, join the part of the widest.

Per unit with z nonzeros in N parts, 2 <= N <= z: N + 2 columns (1 binary), 2 N + 2 rows, 2 z + 5 N + 3 nonzeros;
besides, y <= u a and y <= x - l (1 - a) where u or l is tighter than the box says.

Exact. One part is big-M; a part for each input (parts >= z) is `convex-hull`, which is ideal; over a box, splitting
parts further makes it tighter. A maximum is written as big-M.

Source: Tsay, Kronqvist, Thebelt, Misener, "Partition-based formulations for mixed-integer optimization of trained ReLU
neural networks" (NeurIPS 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.errors import InvalidOption
from relu2mip.formulations.big_m import BigM
from relu2mip.formulations.part_bounds import tightened
from relu2mip.formulations.shares import add_relu, entry_units
from relu2mip.mip import Expression, ModelBuilder
from relu2mip.normal_form import Place
from relu2mip.options import Part, settle

SPLITS, TIGHTEN = ("equal-size", "weight-sorted"), ("intervals", "lp")


@dataclass(frozen=True)
class Partition(BigM, Part):
    """Inputs of each unit in a few parts.

    parts: of each unit; one with fewer inputs has one for each.  split: "equal-size" or "weight-sorted".  tighten:
    bounds of the parts by "intervals" or "lp".  budget: seconds for the programs of one layer at one step.
    """

    parts: int = 2
    split: str = "equal-size"
    tighten: str = "intervals"
    budget: float = 1.0
    name: ClassVar[str] = "partition"

    def __post_init__(self) -> None:
        settle(self)
        if self.parts < 1 or self.split not in SPLITS or self.tighten not in TIGHTEN:
            raise InvalidOption(
                f"partition: give 1 or more parts, split {' or '.join(SPLITS)} and tighten {' or '.join(TIGHTEN)}, "
                f"not {self.parts}, {self.split!r} and {self.tighten!r}"
            )
        if not self.budget > 0:
            raise InvalidOption(f"partition: budget is {self.budget}; give a positive number of seconds")

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        tighten = partial(tightened, seconds=self.budget) if self.tighten == "lp" else None
        return add_relu(model, x, lower, upper, place, self._split, tighten)

    def _split(self, weights: Any) -> Index:
        unit = entry_units(weights)
        size = np.diff(weights.indptr)[unit]
        rank = np.arange(weights.nnz) - weights.indptr[unit]
        if self.split == "weight-sorted":
            rank[np.lexsort((weights.data, unit))] = rank.copy()
        return np.asarray(rank * np.minimum(self.parts, size) // size)
