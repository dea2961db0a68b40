"""The last units, chosen by trial: fix each in turn, train the weights shortly, and keep what leaves the least error.

What a unit is worth is what the error becomes without it once the other weights have made up for it. No number that is
read off the network before says so where all units left look needed: of three units that say what two could, any one
alone seems to carry its share.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from math import inf, isnan

import torch
from torch import fx

from relu2mip.frontends.sparsify.compaction import compact
from relu2mip.frontends.sparsify.gates.family import Gate, Kind, gates_of, harden
from relu2mip.frontends.sparsify.objective import Objective
from relu2mip.frontends.sparsify.polish import parameters, polish

SAMPLES = 4096
"""Training samples that a trial is trained on, at most."""
FINALISTS = 4
"""Choices that are tried in the network itself."""

Choice = tuple[str, int, int]
"""The name of a gate, a unit of it, the kind to fix it to."""


def fix_by_trial(network: fx.GraphModule, objective: Objective, keep: int, iterations: int) -> None:
    """Fix gated units to identity or zero, one after another, until `keep` are left; in place.

    To fix one unit there are two trials for each that is gated: all the others harden to ReLU, and what `compact`
    leaves is trained by `iterations` of L-BFGS. That is quick, but compacted layers can say more than the network. So
    the `FINALISTS` that end best are tried in the network itself, which goes on with the unit and weights of the best.
    """
    count = min(objective.samples, SAMPLES)
    samples = torch.linspace(0, objective.samples - 1, count, device=objective.device).long()
    example, gates = objective.example(), gates_of(network)
    while sum(gate.count(Kind.GATED) for gate in gates.values()) > keep:
        trials: list[tuple[float, Choice]] = []
        for choice in _choices(gates):
            compacted = compact(_with(network, choice), example).to(objective.device)
            trials.append((_number(polish(compacted, objective, iterations, samples)), choice))
        finals = []
        for _, choice in sorted(trials)[:FINALISTS]:
            tried = _with(network, choice)
            finals.append((_number(polish(tried, objective, iterations, samples)), choice, tried))
        _, (name, unit, kind), tried = min(finals, key=lambda final: final[0])
        gates[name].kind[unit] = kind
        with torch.no_grad():
            for mine, found in zip(parameters(network)[0], parameters(tried)[0], strict=True):
                mine.copy_(found)


def _choices(gates: Mapping[str, Gate]) -> list[Choice]:
    """Every unit that is gated, with both kinds it could be fixed to."""
    return [
        (name, unit, int(kind))
        for name, gate in gates.items()
        for unit in torch.nonzero(gate.kind == Kind.GATED).flatten().tolist()
        for kind in (Kind.IDENTITY, Kind.ZERO)
    ]


def _with(network: fx.GraphModule, choice: Choice) -> fx.GraphModule:
    """A copy with one unit fixed and the others hardened."""
    network = copy.deepcopy(network)
    name, unit, kind = choice
    gates_of(network)[name].kind[unit] = kind
    harden(network)
    return network.eval()


def _number(error: float) -> float:
    """Infinity for an error that is none."""
    return inf if isnan(error) else error
