"""Entries of a Jacobian decided beyond intervals: present by a witness, absent by all activation regions.

In a region the network is affine, so its Jacobian takes finitely many values over a box, one a region, and their hull
holds the generalised Jacobian. Regions come from linear programs, so what they say is trusted, not certified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, ClassVar

import numpy as np

from relu2mip.analysis.pointwise import jacobians_at
from relu2mip.arrays import Array, Mask, dense
from relu2mip.bounds import Bounds
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Place
from relu2mip.options import Part, within
from relu2mip.regions import Step, TooManyRegions, enumerate_regions
from relu2mip.runtime.deadline import limited

SAMPLES = 256
"""Points where Jacobians are evaluated for witnesses."""

ROUNDING = 1e-12
"""An entry below this share of the sum of all its paths is rounding of a 0."""


@dataclass(frozen=True)
class ExactOptions(Part):
    """Limits of the enumeration of activation regions; beyond either, intervals have the last word."""

    name: ClassVar[str] = "exact"
    regions: Annotated[int, "Most activation regions."] = 512
    time_limit: Annotated[float, "Seconds at most."] = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, regions=(1, np.inf), time_limit=(0, np.inf))


@dataclass(frozen=True, eq=False)
class Decided:
    """The findings over all regions, (outputs, inputs): the hull of their Jacobians, and which entries are 0 in all.

    nonzero: which are not 0 in some.  An input without width has no region beside it: its entries are neither.
    """

    lower: Array
    upper: Array
    zero: Mask
    nonzero: Mask
    regions: int


def witnesses(form: NormalForm, box: Mapping[str, tuple[Array, Array]], outputs: Mapping[str, int]) -> Mask:
    """The entries that are not 0 at one of some random points of a box, always the same ones."""
    rng = np.random.default_rng(0)
    points = {name: rng.uniform(low, high, (SAMPLES, low.size)) for name, (low, high) in box.items()}
    found = np.abs(jacobians_at(form, points, outputs)).max(axis=0, initial=0.0)
    return np.asarray(found > ROUNDING * _paths(form, tuple(form.outputs[name] for name in outputs)))


def decide(bounds: Bounds, outputs: tuple[int, ...], options: ExactOptions) -> Decided | None:
    """All regions within bounds of a form, whose inputs are its first values; None beyond the limits."""
    form = bounds.form
    inputs = tuple(form.inputs.values())
    own = NormalForm(form.values, {str(i): i for i in inputs}, {str(i): i for i in outputs})
    step = Step(own, bounds.lower, bounds.upper, inputs, outputs, Place("network", np.zeros(0, dtype=np.intp)))
    try:
        with limited(options.time_limit):
            regions = enumerate_regions(step, options.regions)
    except TooManyRegions:
        return None
    if not regions:
        return None
    gains = np.stack([region.gain for region in regions])
    nonzero = (np.abs(gains) > ROUNDING * _paths(form, outputs)).any(axis=0)
    free = np.broadcast_to(step.box[0] < step.box[1], nonzero.shape)
    lower, upper = np.where(free, gains.min(axis=0), -np.inf), np.where(free, gains.max(axis=0), np.inf)
    return Decided(lower, upper, free & ~nonzero, free & nonzero, len(regions))


def _paths(form: NormalForm, outputs: tuple[int, ...]) -> Array:
    """The sum of the absolute weights of all paths from each input to each output, (outputs, inputs)."""
    inputs = tuple(form.inputs.values())
    ends = np.cumsum([0, *(form.values[i].size for i in inputs)])
    found: list[Array] = []
    for i, value in enumerate(form.values):
        made = np.zeros((value.size, int(ends[-1])))
        if isinstance(value, Affine):
            pairs = zip(value.inputs, value.matrices, strict=True)
            made = reduce(np.add, (np.abs(dense(matrix)) @ found[k] for k, matrix in pairs), made)
        elif isinstance(value, Input):
            at = inputs.index(i)
            made[:, ends[at] : ends[at + 1]] = np.eye(value.size)
        elif isinstance(value, Max):
            made = np.maximum.reduceat(found[value.input][value.members], value.starts[:-1], axis=0)
        else:
            made = found[value.input]
        found.append(made)
    return np.concatenate([found[i] for i in outputs])
