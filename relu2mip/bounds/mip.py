"""Bound tightening by mixed-integer programs: like `lp`, with binaries kept in a window of layers before the unit.

ReLUs and maxima of the last `window` layers before a unit are big-M with integral binaries, those before them
triangles; discrete controls are integral. A solve that stops at its limit has proven a bound all the same: HiGHS's dual
bound. It is trusted, not certified as in `lp`: programs are written in their units (`relu2mip.mip.units`), and a bound
is moved outward by all that the solver's tolerances can do between the inputs of the window and the unit (`_slip`), and
by `ROOM`, so that the programs built on it are not denied. A bound that a sampled point of the sets contradicts is
dropped. Where a solve fails, or calls a program infeasible (which HiGHS offers no proof of), the earlier bound stays.

Source: Tjeng, Xiao, Tedrake, "Evaluating Robustness of Neural Networks with Mixed Integer Programming" (ICLR 2019),
section 4.3; Badilla, Goycoolea, Muñoz, Serra, "Computational Tradeoffs of Optimization-Based Bound Tightening in ReLU
Networks" (2023).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.bounds.lp import check_options
from relu2mip.bounds.walk import rounds, targets
from relu2mip.errors import InvalidOption
from relu2mip.formulations import BigM, Formulation, Triangle
from relu2mip.formulations.relaxed_model import relaxed_model
from relu2mip.lp.integer import TOLERANCE, IntegerProgram
from relu2mip.lp.sweep import SIGNS, Rules, Sweep
from relu2mip.lp.tally import Tally
from relu2mip.mip import Expression, ModelBuilder
from relu2mip.normal_form import Affine, Max, NormalForm, Place, Relu
from relu2mip.options import Part, settle
from relu2mip.runtime.deadline import limited
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

log = logging.getLogger(__name__)

ROOM = 1e-5
"""Room by which a bound is moved outward, a share of the range before: several tolerances of a later solver."""

SAMPLES = 256
"""Points of the inputs that no bound may exclude."""


@dataclass(frozen=True)
class Mip(Part):
    """Optimisation-based tightening by mixed-integer programs, with binaries in a window of layers before each unit.

    window: how many layers of ReLUs or maxima before a unit keep their binaries, 0 for all.  time_limit: seconds of one
    program.  The other options are those of `lp`.
    """

    window: int = 2
    scope: str = "prefix"
    budget: float = 30.0
    time_limit: float = 1.0
    count: int = 0
    rounds: int = 1
    goal: str = "width"
    tolerance: float = 1e-2
    name: ClassVar[str] = "mip"
    grade: ClassVar[Grade] = Grade.TRUSTED

    def __post_init__(self) -> None:
        settle(self)
        check_options(self.name, self.scope, self.goal, self.budget, self.count, self.rounds, self.tolerance)
        if self.window < 0 or not self.time_limit > 0:
            raise InvalidOption("mip: give a window of layers (0 for all) and a positive time_limit")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """See the module's text."""
        return tighten_mip(unrolled, bounds, self)


def tighten_mip(unrolled: Unrolled, bounds: Bounds, options: Mip, cutoff: float | None = None) -> Tightened:
    """Tighten bounds by mixed-integer programs; `cutoff` as for `relu2mip.bounds.lp.tighten_lp`."""
    full = options.scope == "full"
    if cutoff is not None and not full:
        raise InvalidOption('mip: a cutoff needs scope "full": the cost is known at the end of the horizon')
    tally = Tally(options.budget, options.count)
    rules = Rules(options.tolerance, options.goal)

    def visit(
        form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], i: int, units: Index
    ) -> tuple[Array, Array] | None:
        relaxed = relaxed_model(unrolled, form, lower, upper, _window(form, i, options.window), cutoff)
        model, columns, _ = relaxed.part(None if full else i, choices=True)
        if not model.integer.any():
            return None
        chosen = targets(form, i, units, np.searchsorted(columns, relaxed.columns[i]), lower, upper)
        visits = Sweep(chosen, rules, tally)
        program = IntegerProgram(model)
        room = _slip(form, lower, upper, i, options.window)[units] + ROOM * (chosen.upper - chosen.lower) / 2
        reached = _reached(unrolled, form, lower, upper, i)[:, units] if cutoff is None else np.zeros((0, units.size))
        for k, side in visits:
            limit = min(options.time_limit, tally.seconds_left)
            bound, point = program.minimise(int(chosen.columns[k]), SIGNS[side], limit)
            if point is not None:
                visits.attain(point)
            if not np.isfinite(bound):
                tally.counts["failures"] += 1
                tally.counts["stopped"] += program.stopped
                log.info("mip: a program of %s gave no bound; the earlier one stays", form.values[i].place.prefix)
            elif bound - room[k] > (SIGNS[side] * reached[:, k]).min(initial=np.inf):
                tally.counts["failures"] += 1
                log.warning("mip: a bound of %s excludes a point; the earlier one stays", form.values[i].place.name(k))
            else:
                visits.record(k, side, bound - room[k])
        return visits.lower, visits.upper

    with limited(options.budget):
        tight = rounds(unrolled, bounds, visit, full, options.rounds, options.tolerance, tally)
    log.info("%s: %s", options, tight.detail)
    return replace(tight, cutoff=cutoff)


def _slip(form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], i: int, window: int) -> Array:
    """By how much tolerances can falsify each unit of value i, from the window's inputs on.

    A row may be off by a tolerance of its terms, and a binary by one, which lets a unit leave its graph by as much of
    its range. An affine map carries what its inputs are off by; a ReLU and a maximum carry no more than that.
    """
    depth = np.cumsum([isinstance(value, Relu | Max) for value in form.values])
    slips: list[Array] = []
    for j, value in enumerate(form.values[: i + 1]):
        own = TOLERANCE * (upper[j] - lower[j])
        before = window > 0 and depth[i] - depth[j] >= window
        if isinstance(value, Affine) and not before:
            parts = zip(value.inputs, value.matrices, strict=True)
            own = own + sum(abs(a) @ (slips[k] + TOLERANCE * (upper[k] - lower[k])) for k, a in parts)
        elif isinstance(value, Relu) and not before:
            own = slips[value.input] + TOLERANCE * (upper[value.input] - lower[value.input])
        elif isinstance(value, Max) and not before:
            k = value.input
            members = (slips[k] + TOLERANCE * (upper[k] - lower[k]))[value.members]
            own = own + np.maximum.reduceat(members, value.starts[:-1])
        slips.append(own)
    return slips[i]


def _reached(unrolled: Unrolled, form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], i: int) -> Array:
    """Value i at points of the sets that keep within all bounds up to it, (points, size).

    Half of a point's entries are at an end of their range, as those of extreme points mostly are.
    """
    rng = np.random.default_rng(0)
    inputs = {}
    for name, k in form.inputs.items():
        share = np.clip(rng.uniform(-0.5, 1.5, (SAMPLES, lower[k].size)), 0.0, 1.0)
        inputs[name] = np.clip(lower[k] + share * (upper[k] - lower[k]), lower[k], upper[k])
    objective = unrolled.objective()
    inputs = objective.snap(inputs)
    values, kept = form.evaluate_all(inputs), objective.evaluate(inputs)[1] <= 0.0
    for value, low, high in zip(values[: i + 1], lower, upper, strict=False):
        kept &= ((value >= low) & (value <= high)).all(axis=1)
    return np.asarray(values[i][kept])


class _AnySign(BigM):
    """Big-M that also takes units proven stable since the form was reduced."""

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Bounds that reach zero from either side are valid too."""
        return super().relu(model, x, np.minimum(lower, 0.0), np.maximum(upper, 0.0), place)


def _window(form: NormalForm, i: int, window: int) -> Any:
    """The formulation of each value in the program of value i."""
    depth = np.cumsum([isinstance(value, Relu | Max) for value in form.values])
    exact, relaxed = _AnySign(), Triangle()

    def formulation(j: int) -> Formulation:
        return exact if window == 0 or 0 <= depth[i] - depth[j] < window else relaxed

    return formulation
