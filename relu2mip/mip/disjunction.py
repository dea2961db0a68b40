"""One of several cases, each an affine map over a polyhedron, with copies of the inputs for each.

With binaries z_r, sum_r z_r = 1, inputs v in [l_r, u_r] and outputs y = F_r v + g_r in case r:

    v = sum_r v_r,  l_r z_r <= v_r <= u_r z_r,  y = sum_r (F_r v_r + g_r z_r)

so that what is affine in v and y is, in case r, affine in v_r and z_r, and 0 where z_r = 0.

Source: Balas, "Disjunctive programming" (1979).
"""

from __future__ import annotations

from dataclasses import dataclass

from relu2mip.arrays import Array, Index
from relu2mip.normal_form import Place


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
