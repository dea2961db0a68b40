"""Safe bounds of some columns of a program by linear programs, side after side (`relu2mip.lp.sweep`)."""

from __future__ import annotations

import logging

import numpy as np

from relu2mip.arrays import Array
from relu2mip.lp.duals import SafeMinimum
from relu2mip.lp.persistent import Outcome, PersistentLp
from relu2mip.lp.sweep import SIGNS, Rules, Sweep, Targets
from relu2mip.lp.tally import Tally
from relu2mip.mip import MipModel

log = logging.getLogger(__name__)


class Empty(Exception):
    """A program was proven to have no feasible point."""


def sweep(lp: PersistentLp, model: MipModel, chosen: Targets, rules: Rules, tally: Tally) -> tuple[Array, Array]:
    """Bounds of the targets over the program that `lp` holds; raises `Empty` where it proves that there is no point."""
    safe, visits = SafeMinimum(model), Sweep(chosen, rules, tally)
    for k, side in visits:
        column, sign = int(chosen.columns[k]), SIGNS[side]
        vertex = lp.minimise(column, sign, tally.seconds_left)
        tally.counts["iterations"] += vertex.iterations
        if vertex.outcome is Outcome.INFEASIBLE:
            if safe.proves_empty(vertex.ray):
                raise Empty
            log.warning("lp: HiGHS calls a relaxation infeasible without a proof; the earlier bounds of the layer stay")
            visits.abandon()
        if vertex.point is not None:
            visits.attain(vertex.point)
        bound = -np.inf
        if vertex.duals is not None:
            cost = np.zeros(model.columns)
            cost[column] = sign
            bound = safe(cost, vertex.duals)
            visits.record(k, side, bound)
        if not np.isfinite(bound):
            tally.counts["failures"] += 1
            tally.counts["stopped"] += vertex.outcome is Outcome.STOPPED
            log.info("lp: a solve ended %s without a bound; the earlier one stays", vertex.outcome.value)
    return visits.lower, visits.upper
