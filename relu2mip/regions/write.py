"""A step as columns and rows: one binary a region, and the region's map where its binary is 1.

With regions r = 1 ... R of inputs v and outputs y, P_r = {A_r v <= b_r, l_r <= v <= u_r}, y = F_r v + g_r:

    hull     v = sum_r v_r,  A_r v_r <= b_r z_r,  l_r z_r <= v_r <= u_r z_r,  y = sum_r (F_r v_r + g_r z_r)
    big-M    A_r v <= b_r + M (1 - z_r),  sum_r l_r z_r <= v <= sum_r u_r z_r,
             F_r v + g_r - M (1 - z_r) <= y <= F_r v + g_r + M (1 - z_r)

both with sum_r z_r = 1, z_r binary. Each M is the largest violation over the ranges of the other regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Mask
from relu2mip.mip import ModelBuilder, NameBlock
from relu2mip.mip.copies import add_copies
from relu2mip.mip.disjunction import Disjunction
from relu2mip.normal_form import Place
from relu2mip.regions.region import Region

SAME = 1e-12
"""Relative difference up to which coefficients of different regions are the same."""

LARGEST = 128.0
"""Largest coefficient of a side. With 1 or 16, Gurobi's presolve draws conclusions from the small
ones beside it that are wrong: it calls problems with plans infeasible, or misses the best one."""


def write_regions(
    model: ModelBuilder, place: Place, regions: Sequence[Region], v: Index, y: Index, hull: bool
) -> tuple[Index, Disjunction | None]:
    """Add the step: its binaries, and what is known of its hull if it has one.

    One region, or several that share one map, need no binaries: the map holds on their union, whose other limits are
    those of the inputs and outputs.
    """
    regions = [replace(r, matrix=LARGEST * r.matrix, limit=LARGEST * r.limit) for r in regions]
    gain, offset = np.stack([r.gain for r in regions]), np.stack([r.offset for r in regions])
    common = _same(gain).all(axis=1) & _same(offset)
    _write_common(model, place, common, gain[0], offset[0], v, y)
    if common.all():
        if len(regions) == 1:
            _write_sides(model, place, regions[0], v)
        _write_ranges(model, place, regions, v)
        return np.zeros(0, dtype=np.intp), None
    numbers = np.arange(len(regions))
    z = model.add_columns(NameBlock(f"{place.prefix}.region", numbers, ".z"), 0.0, 1.0, integer=True)
    model.add_rows(NameBlock(f"{place.prefix}.regions", numbers[:1], ".one"), [(np.ones((1, z.size)), z)], 1.0, 1.0)
    differ = np.flatnonzero(~common)
    changed = y[differ], z, gain[:, differ], offset[:, differ]
    if not hull:
        _write_big_m(model, place, regions, v, *changed)
        return z, None
    copies = _write_hull(model, place, regions, v, *changed)
    lower, upper = np.stack([r.lower for r in regions]), np.stack([r.upper for r in regions])
    return z, Disjunction(place, z, v, copies, lower, upper, y, gain, offset)


def _same(stacked: Array) -> Mask:
    """Which entries are the same in all regions."""
    return np.asarray(np.ptp(stacked, axis=0) <= SAME * np.abs(stacked).max(axis=0, initial=0.0))


def _write_common(
    model: ModelBuilder, place: Place, common: Mask, gain: Array, offset: Array, v: Index, y: Index
) -> None:
    """Outputs that are affine in the inputs, whatever the region."""
    k = np.flatnonzero(common)
    model.add_rows(
        NameBlock(f"{place.prefix}.next", k, ".is"), [(1.0, y[k]), (-gain[k], v)], lower=offset[k], upper=offset[k]
    )


def _write_sides(model: ModelBuilder, place: Place, region: Region, v: Index) -> None:
    """The sides of the only region."""
    sides = NameBlock(f"{place.prefix}.region", np.zeros(region.limit.size, dtype=np.intp), ".side",
                      parts=np.arange(region.limit.size))  # fmt: skip
    model.add_rows(sides, [(region.matrix, v)], upper=region.limit)


def _write_ranges(model: ModelBuilder, place: Place, regions: Sequence[Region], v: Index) -> None:
    """The ranges of the inputs over all regions, where they say something."""
    lower = np.min([region.lower for region in regions], axis=0)
    upper = np.max([region.upper for region in regions], axis=0)
    low, high = (side[v] for side in model.limits())
    k = np.flatnonzero((lower > low) | (upper < high))
    model.add_rows(NameBlock(f"{place.prefix}.input", k, ".range"), [(1.0, v[k])], lower=lower[k], upper=upper[k])


def _write_hull(
    model: ModelBuilder,
    place: Place,
    regions: Sequence[Region],
    v: Index,
    y: Index,
    z: Index,
    gain: Array,
    offset: Array,
) -> Index:
    """The copies (R, n), -1 for inputs without."""
    lower, upper = np.stack([r.lower for r in regions]), np.stack([r.upper for r in regions])
    used = np.concatenate([r.matrix for r in regions]).any(axis=0)
    # An input that every region treats alike needs no copies: the union is a product with its interval.
    alike = ~used & (np.ptp(lower, axis=0) == 0) & (np.ptp(upper, axis=0) == 0) & _same(gain).all(axis=0)
    shared, k = np.flatnonzero(alike), np.flatnonzero(~alike)
    copies = add_copies(model, place, k, lower[:, k], upper[:, k], v, z)
    limit = np.concatenate([r.limit for r in regions])
    matrix = sp.csr_array(sp.block_diag([r.matrix[:, k] for r in regions]))
    names, owner = _sides(f"{place.prefix}.region", regions)
    model.add_rows(names, [(matrix, copies.ravel()), (-limit, z[owner])], upper=0.0)
    spread = gain[:, :, k].transpose(1, 0, 2).reshape(y.size, -1)
    rows = [(1.0, y), (-spread, copies.ravel()), (-gain[0][:, shared], v[shared]), (-offset.T, z)]
    model.add_rows(NameBlock(f"{place.prefix}.next", np.arange(y.size), ".is.chosen"), rows, 0.0, 0.0)
    every = np.full((len(regions), v.size), -1)
    every[:, k] = copies
    return every


def _write_big_m(
    model: ModelBuilder,
    place: Place,
    regions: Sequence[Region],
    v: Index,
    y: Index,
    z: Index,
    gain: Array,
    offset: Array,
) -> None:
    prefix, count = f"{place.prefix}.region", len(regions)
    lower, upper = np.stack([r.lower for r in regions]), np.stack([r.upper for r in regions])
    k = np.flatnonzero(np.ptp(lower, axis=0) + np.ptp(upper, axis=0))
    names = NameBlock(f"{place.prefix}.input", k, ".lower")
    model.add_rows(names, [(1.0, v[k]), (-lower[:, k].T, z)], lower=0.0)
    names = NameBlock(f"{place.prefix}.input", k, ".upper")
    model.add_rows(names, [(1.0, v[k]), (-upper[:, k].T, z)], upper=0.0)

    matrix, limit = np.concatenate([r.matrix for r in regions]), np.concatenate([r.limit for r in regions])
    names, owner = _sides(prefix, regions)
    others = owner[:, None] != np.arange(count)
    excess = np.maximum(matrix, 0) @ upper.T + np.minimum(matrix, 0) @ lower.T - limit[:, None]
    big_m = np.where(others, excess, 0.0).max(axis=1, initial=0.0)
    model.add_rows(names, [(matrix, v), (big_m, z[owner])], upper=limit + big_m)

    # The largest F_s v + g_s - F_r v - g_r over the range of region s, and its negative, for all r and s.
    difference = gain[None] - gain[:, None]
    shift = offset[None] - offset[:, None]
    plus, minus = np.maximum(difference, 0), np.minimum(difference, 0)
    most = np.einsum("rsmn,sn->rsm", plus, upper) + np.einsum("rsmn,sn->rsm", minus, lower) + shift
    least = np.einsum("rsmn,sn->rsm", plus, lower) + np.einsum("rsmn,sn->rsm", minus, upper) + shift
    over, under = np.maximum(most.max(axis=1), 0).ravel(), np.maximum(-least.min(axis=1), 0).ravel()
    region, part = np.repeat(np.arange(count), y.size), np.tile(np.arange(y.size), count)
    rows = [(1.0, y[part]), (-gain.reshape(region.size, -1), v)]
    bias = offset.ravel()
    names = NameBlock(prefix, region, ".at_most", parts=part)
    model.add_rows(names, [*rows, (over, z[region])], upper=bias + over)
    names = NameBlock(prefix, region, ".at_least", parts=part)
    model.add_rows(names, [*rows, (-under, z[region])], lower=bias - under)


def _sides(prefix: str, regions: Sequence[Region]) -> tuple[NameBlock, Index]:
    """Names of all sides, and the region of each."""
    sizes = [r.limit.size for r in regions]
    owner = np.repeat(np.arange(len(regions)), sizes)
    return NameBlock(prefix, owner, ".side", parts=np.concatenate([np.arange(n) for n in sizes])), owner
