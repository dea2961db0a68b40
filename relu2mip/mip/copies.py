"""Copies of the inputs of a disjunction, one for each case (`relu2mip.mip.disjunction`), written on a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Mask
from relu2mip.mip.builder import ModelBuilder
from relu2mip.mip.disjunction import Disjunction
from relu2mip.mip.names import NameBlock
from relu2mip.normal_form import Place


def with_copies(model: ModelBuilder, cases: Disjunction, chosen: Mask) -> Disjunction:
    """The same with copies of the chosen inputs (n,) too, added to the model where there are none."""
    k = np.flatnonzero(chosen & (cases.copies[0] < 0))
    copies = cases.copies.copy()
    copies[:, k] = add_copies(model, cases.place, k, cases.lower[:, k], cases.upper[:, k], cases.inputs, cases.binaries)
    return replace(cases, copies=copies)


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
