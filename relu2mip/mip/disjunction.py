"""One of several cases, each an affine map over a polyhedron, with copies of the inputs for each.

With binaries z_r, sum_r z_r = 1, inputs v in [l_r, u_r] and outputs y = F_r v + g_r in case r:

    v = sum_r v_r,  l_r z_r <= v_r <= u_r z_r,  y = sum_r (F_r v_r + g_r z_r)

so that what is affine in v and y is, in case r, affine in v_r and z_r, and 0 where z_r = 0.

Source: Balas, "Disjunctive programming" (1979).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Mask
from relu2mip.mip.names import NameBlock
from relu2mip.normal_form import Place

if TYPE_CHECKING:
    from relu2mip.mip.model import ModelBuilder


@dataclass(frozen=True, eq=False)
class Disjunction:
    """R cases over inputs (n,) with outputs (m,), as columns of a model; see the module's text.

    binaries: (R,).  copies: (R, n), -1 for an input without copies, which all cases treat alike.  lower, upper: (R, n).
    gain: (R, m, n).  offset: (R, m).  place: names it, `t03.layer1.relu`.
    """

    place: Place
    binaries: Index
    inputs: Index
    copies: Index
    lower: Array
    upper: Array
    outputs: Index
    gain: Array
    offset: Array

    def with_copies(self, model: ModelBuilder, chosen: Mask) -> Disjunction:
        """The same with copies of the chosen inputs (n,) too, added to the model where there are none."""
        k = np.flatnonzero(chosen & (self.copies[0] < 0))
        copies = self.copies.copy()
        copies[:, k] = add_copies(model, self.place, k, self.lower[:, k], self.upper[:, k], self.inputs, self.binaries)
        return replace(self, copies=copies)


def add_copies(
    model: ModelBuilder, place: Place, k: Index, lower: Array, upper: Array, inputs: Index, binaries: Index
) -> Index:
    """Copies (R, k) of the inputs k, within lower and upper (R, k) in each case; they add up to the inputs."""
    prefix, count = f"{place.prefix}.region", binaries.size
    case, part = np.repeat(np.arange(count), k.size), np.tile(k, count)
    low, high = lower.ravel(), upper.ravel()
    names = NameBlock(prefix, case, ".copy", parts=part)
    copies = model.add_columns(names, np.minimum(low, 0.0), np.maximum(high, 0.0))
    total = sp.csr_array(np.tile(np.eye(k.size), count))
    split = NameBlock(f"{place.prefix}.input", k, ".split")
    model.add_rows(split, [(1.0, inputs[k]), (-total, copies)], 0.0, 0.0)
    for suffix, side, bound in ((".lower", "lower", low), (".upper", "upper", high)):
        rows = [(1.0, copies), (-bound, binaries[case])]
        model.add_rows(NameBlock(prefix, case, suffix, parts=part), rows, **{side: 0.0})
    return copies.reshape(count, k.size)
