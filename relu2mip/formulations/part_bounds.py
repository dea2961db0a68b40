"""Bounds of parts by linear programs over the linear relaxation of a model so far; two programs a part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from relu2mip.errors import CrossedBounds
from relu2mip.formulations.shares import Parts
from relu2mip.lp.persistent import BASIC, NONBASIC_LOWER, Basis, PersistentLp
from relu2mip.lp.sweep import Rules, Targets
from relu2mip.lp.tally import Tally
from relu2mip.lp.tighten import Empty, sweep
from relu2mip.mip import ModelBuilder, NameBlock
from relu2mip.mip.extend import with_columns, with_rows
from relu2mip.normal_form import Place

TOLERANCE = 1e-3
"""A side that can move by less, relative to the part's width, is left."""


def tightened(parts: Parts, model: ModelBuilder, place: Place, seconds: float) -> Parts:
    """The parts with bounds no looser, after at most so many seconds.

    Raises `CrossedBounds` where the relaxation is empty.
    """
    if not parts.unit.size:
        return parts
    names = NameBlock(place.prefix, place.units[parts.unit], ".part", parts=parts.number)
    built = with_columns(model.build(), names, parts.lower, parts.upper)
    matrix = sp.csr_array(sp.hstack([parts.weights, -sp.eye_array(parts.unit.size)]))
    built = with_rows(built, names, matrix, lower=0.0, upper=0.0)
    columns = np.arange(built.columns - parts.unit.size, built.columns)
    targets = Targets(columns, parts.lower, parts.upper, np.zeros(columns.size, dtype=bool))
    lp = PersistentLp()
    lp.load(built, Basis(np.full(built.columns, NONBASIC_LOWER), np.full(built.rows, BASIC)))
    try:
        lower, upper = sweep(lp, built, targets, Rules(TOLERANCE, "width"), Tally(seconds))
    except Empty:
        raise CrossedBounds(
            f"{place.prefix}: the linear relaxation before it proves that no point of the sets gets here; widen them"
        ) from None
    return replace(parts, lower=lower, upper=upper)
