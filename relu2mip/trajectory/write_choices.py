"""Write sets that are not convex on the columns of a model; `relu2mip.trajectory.choices` has the formulas."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.mip import Expression, NameBlock
from relu2mip.trajectory.choices import Alternatives
from relu2mip.trajectory.frame import Frame


def write_alternatives(frame: Frame, made: Alternatives) -> None:
    """Binaries for the sets at each place, and the rows of each set where its binary is 1."""
    places, sets = made.step.size, len(made.sets)
    if not places:
        return
    z = _places(frame, made)
    at, number = np.repeat(made.reached, sets), np.tile(np.arange(sets), places)
    name = NameBlock(made.name, number, ".chosen", at, frame.digits)
    b = frame.model.add_columns(name, 0.0, 1.0, integer=True).reshape(places, sets)
    one = sp.csr_array(sp.kron(sp.eye_array(places), np.ones((1, sets))))
    hull = made.formulation == "convex-hull"
    rows = NameBlock(made.name, np.zeros(places, dtype=np.intp), "", made.reached, frame.digits)
    frame.model.add_rows(rows, [(one, b.ravel())], 1.0, 1.0 if hull else np.inf)
    if hull:
        _hull(frame, made, z, b)
    else:
        _big_m(frame, made, z, b)


def _places(frame: Frame, made: Alternatives) -> Expression:
    """The places, laid end to end, (T n)."""
    n, horizon = frame.states.shape[1], frame.horizon
    here = frame.states[made.step].ravel()
    if not made.share.any():
        return Expression.of(here)
    there, share = frame.states[np.minimum(made.step + 1, horizon)].ravel(), np.repeat(made.share, n)
    return Expression(((1.0 - share, here), (share, there)), np.zeros(here.size))


def _mapped(z: Expression, matrix: Array, places: int) -> Expression:
    return z.mapped(sp.csr_array(sp.kron(sp.eye_array(places), matrix)))


def _big_m(frame: Frame, made: Alternatives, z: Expression, b: Index) -> None:
    """The rows of all sets at once, place by place."""
    places = made.step.size
    matrix = np.concatenate([rows for rows, _, _ in made.sets])
    owner = np.repeat(np.arange(len(made.sets)), [len(rows) for rows, _, _ in made.sets])
    lower, upper = (np.concatenate([one[side] for one in made.sets], axis=1).ravel() for side in (1, 2))
    x = _mapped(z, matrix, places)
    low, high = frame.limits(x)
    choice, at, row = b[:, owner].ravel(), np.repeat(made.reached, len(owner)), np.tile(np.arange(len(owner)), places)
    for suffix, sign, side, gap in ((".lower", -1.0, lower, lower - low), (".upper", 1.0, upper, high - upper)):
        k = np.flatnonzero(gap > 0)
        terms = [*x.select(k).scaled(sign).terms, (gap[k], choice[k])]
        names = NameBlock(f"{made.name}.row", row[k], suffix, at[k], frame.digits)
        frame.model.add_rows(names, terms, upper=sign * side[k] + gap[k])


def _hull(frame: Frame, made: Alternatives, z: Expression, b: Index) -> None:
    low, high = frame.limits(z)
    places, n = made.step.size, frame.states.shape[1]
    at, unit = np.repeat(made.reached, n), np.tile(np.arange(n), places)
    copies = []
    for s, (matrix, lower, upper) in enumerate(made.sets):
        choice = np.repeat(b[:, s], n)
        prefix = f"{made.name}.set{s}"

        def names(suffix: str, prefix: str = prefix) -> NameBlock:
            return NameBlock(prefix, unit, suffix, at, frame.digits)

        copy = frame.model.add_columns(names(".copy"), np.minimum(low, 0.0), np.maximum(high, 0.0))
        frame.model.add_rows(names(".copy.lower"), [(1.0, copy), (-low, choice)], lower=0.0)
        frame.model.add_rows(names(".copy.upper"), [(1.0, copy), (-high, choice)], upper=0.0)
        x = _mapped(Expression.of(copy), matrix, places)
        chosen = np.repeat(b[:, s], len(matrix))
        step, row = np.repeat(made.reached, len(matrix)), np.tile(np.arange(len(matrix)), places)
        for suffix, side, sign in ((".lower", lower.ravel(), -1.0), (".upper", upper.ravel(), 1.0)):
            k = np.flatnonzero(np.isfinite(side))
            terms = [*x.select(k).scaled(sign).terms, (-sign * side[k], chosen[k])]
            block = NameBlock(prefix, row[k], suffix, step[k], frame.digits)
            frame.model.add_rows(block, terms, upper=0.0)
        copies.append((-1.0 * np.ones(copy.size), copy))
    split = NameBlock(made.name, unit, ".split", at, frame.digits)
    frame.model.add_rows(split, [*z.terms, *copies], 0.0, 0.0)
