"""Entries of a Jacobian decided beyond intervals: by all activation regions of the box, or by programs one by one.

Both ask the same: is the entry 0 in every activation region with an inside in the box? By continuity that is to ask
whether the output stays where it is when that input moves alone. In a region the network is affine, so its Jacobian
takes finitely many values over a box, whose hull holds the generalised Jacobian there. Where there are too many
regions, a mixed-integer program for each entry maximises the change (`relu2mip.analysis.influence`).

Regions come from linear programs and bounds of changes from a solver, both within its tolerances: what they call absent
is trusted, not certified, and a region thinner than tolerances may be missed. What is present has a witness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from relu2mip.analysis.influence import effect
from relu2mip.analysis.witness import Witnesses
from relu2mip.arrays import Array, Mask
from relu2mip.bounds import Bounds
from relu2mip.errors import UnknownOption
from relu2mip.ir import Graph
from relu2mip.lp.polyhedron import Polyhedron
from relu2mip.normal_form import NormalForm, Place
from relu2mip.options import Part, within
from relu2mip.regions import Region, Step, TooManyRegions, enumerate_regions
from relu2mip.runtime.deadline import expired, limited, seconds_left

METHODS = "auto", "regions", "programs"


@dataclass(frozen=True)
class ExactOptions(Part):
    """How undecided entries are decided, and the budget; beyond it, they stay undecided.

    method: "regions" enumerates activation regions, "programs" solves a mixed-integer program an entry, "auto" turns
    to programs where there are too many regions.  Raises `UnknownOption`, and `InvalidOption` for limits out of range.
    """

    name: ClassVar[str] = "exact"
    method: Annotated[str, '"auto", "regions" or "programs".'] = "auto"
    regions: Annotated[int, "Most activation regions."] = 512
    time_limit: Annotated[float, "Seconds at most, for all entries."] = 10.0
    backend: Annotated[str, "Backend of the programs."] = "highs"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in METHODS:
            raise UnknownOption("method", self.method, METHODS)
        within(self, regions=(1, np.inf), time_limit=(0, np.inf))


@dataclass(frozen=True, eq=False)
class Decided:
    """The findings, (outputs, inputs): bounds of entries over all regions, and which are 0 in all of them.

    witnesses: a point where an entry is not 0, (outputs, inputs, inputs), NaN where none was found.  regions: how many
    there are, None where they were not enumerated.  An input without width has no region beside it: its entries are
    neither.
    """

    lower: Array
    upper: Array
    zero: Mask
    witnesses: Array
    regions: int | None = None


def decide(
    net: Graph, bounds: Bounds, asked: Mask, allowed: Array, witnesses: Witnesses, options: ExactOptions
) -> Decided:
    """The findings of some entries of a network, within bounds of its form, whose inputs are its first values.

    asked: which, (outputs, inputs).  allowed: changes of outputs by inputs that are not exceeded, (outputs, inputs).
    """
    asked = asked & (witnesses.low < witnesses.high)
    with limited(options.time_limit):
        found = None if options.method == "programs" else _by_regions(bounds, witnesses, options.regions)
        if found is None and options.method != "regions":
            found = _by_programs(net, asked, allowed, witnesses, options.backend)
    return _nothing(asked) if found is None else found


def _nothing(asked: Mask) -> Decided:
    no = np.zeros_like(asked)
    return Decided(np.full(no.shape, -np.inf), np.full(no.shape, np.inf), no, np.full((*no.shape, no.shape[1]), np.nan))


def _by_regions(bounds: Bounds, witnesses: Witnesses, most: int) -> Decided | None:
    """All regions; None where there are too many, or the budget ends before."""
    form, outputs = bounds.form, witnesses.outputs
    inputs = tuple(form.inputs.values())
    own = NormalForm(form.values, {str(i): i for i in inputs}, {str(i): i for i in outputs})
    step = Step(own, bounds.lower, bounds.upper, inputs, outputs, Place("network", np.zeros(0, dtype=np.intp)))
    try:
        regions = enumerate_regions(step, most)
    except TooManyRegions:
        return None
    if not regions:
        return None
    gains = np.stack([region.gain for region in regions])
    there = np.abs(gains) > witnesses.smallest
    free = np.broadcast_to(step.box[0] < step.box[1], there.shape[1:])
    lower, upper = np.where(free, gains.min(axis=0), -np.inf), np.where(free, gains.max(axis=0), np.inf)
    points = np.full((*free.shape, free.shape[1]), np.nan)
    nonzero = free & there.any(axis=0)
    first = there.argmax(axis=0)
    for k in np.unique(first[nonzero]).tolist():
        point = _middle(step, regions[k])
        points[nonzero & (first == k) & witnesses.at(point[None])[0]] = point
    return Decided(lower, upper, free & ~there.any(axis=0), points, len(regions))


def _middle(step: Step, region: Region) -> Array:
    """The point of a region that is farthest from its sides, in units of the box."""
    middle, half = step.centre
    free = half > 0
    eye = np.eye(int(free.sum()))
    rows = np.concatenate([region.matrix[:, free] * half[free], eye, -eye])
    ends = [region.limit - region.matrix @ middle, *((s * (e - middle) / np.where(free, half, 1.0))[free]
            for s, e in ((1.0, region.upper), (-1.0, region.lower)))]  # fmt: skip
    norm = np.linalg.norm(rows, axis=1)
    held = Polyhedron(len(eye), slack=True)
    held.push(rows / norm[:, None], np.concatenate(ends) / norm)
    found = held.maximise(np.r_[np.zeros(len(eye)), 1.0])
    point = middle.copy()
    if found is not None:
        point[free] += half[free] * found[:-1]
    return point


def _by_programs(net: Graph, asked: Mask, allowed: Array, witnesses: Witnesses, backend: str) -> Decided:
    """A program an entry, each with its share of the budget."""
    found, box = _nothing(asked), (witnesses.low, witnesses.high)
    entries = np.argwhere(asked).tolist()
    for k, (j, i) in enumerate(entries):
        if expired():
            break
        made = effect(net, box, j, i, float(allowed[j, i]), backend, seconds_left() / (len(entries) - k))
        if made is None:
            continue
        point = witnesses.between(made.start, i, float(made.end[i]), j)
        if point is not None:
            found.witnesses[j, i] = point
        elif made.nothing:
            found.zero[j, i] = True
    return found
