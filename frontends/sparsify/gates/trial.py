"""The last units, chosen by trial: fix each in turn, train the weights shortly, and keep what leaves the least error.

What a unit is worth is what the error becomes without it once the other weights have made up for it. No number that is
read off the network before says so where all units left look needed: of three units that say what two could, any one
alone seems to carry its share.
"""

from __future__ import annotations

import copy
from math import isnan

import torch
from torch import fx

from relu2mip.frontends.sparsify.compaction import compact
from relu2mip.frontends.sparsify.gates.family import Gate, Kind, gates_of, harden
from relu2mip.frontends.sparsify.objective import Objective
from relu2mip.frontends.sparsify.polish import parameters, polish

SAMPLES = 4096
"""Training samples that a trial is trained on, at most."""


def fix_by_trial(network: fx.GraphModule, objective: Objective, keep: int, iterations: int) -> None:
    """Fix gated units to identity or zero, one after another, until `keep` are left; in place.

    To fix one unit there are two trials for each that is gated: all the others harden to ReLU, and what `compact` leaves
    is trained by `iterations` of L-BFGS. The network itself then goes on without the unit whose trial ended best, its
    weights trained in the same way.
    """
    count = min(objective.samples, SAMPLES)
    samples = torch.linspace(0, objective.samples - 1, count, device=objective.device).long()
    gates = gates_of(network).values()
    while sum(gate.count(Kind.GATED) for gate in gates) > keep:
        best: tuple[float, Gate, int, Kind] | None = None
        for gate in gates:
            for unit in torch.nonzero(gate.kind == Kind.GATED).flatten().tolist():
                for kind in (Kind.IDENTITY, Kind.ZERO):
                    gate.kind[unit] = int(kind)
                    tried = compact(_hardened(network), objective.example()).to(objective.device)
                    error = polish(tried, objective, iterations, samples)
                    if best is None or error < best[0] or isnan(best[0]):
                        best = error, gate, unit, kind
                gate.kind[unit] = int(Kind.GATED)
        assert best is not None
        _, gate, unit, kind = best
        gate.kind[unit] = int(kind)
        trained = _hardened(network)
        polish(trained, objective, iterations, samples)
        with torch.no_grad():
            for mine, found in zip(parameters(network)[0], parameters(trained)[0], strict=True):
                mine.copy_(found)


def _hardened(network: fx.GraphModule) -> fx.GraphModule:
    network = copy.deepcopy(network)
    harden(network)
    return network.eval()
