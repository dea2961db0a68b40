"""A network with gates that gets smaller while it is trained.

A unit that became a line or zero leaves weights behind that say nothing new, or the same twice, and they slow training
down: two layers with a line between them are one. So a family that `shrinks` goes on after each step with what
`compact` leaves, whose units are all gated again. The function is the same.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, fx

from relu2mip.frontends.sparsify.compaction import compact
from relu2mip.frontends.sparsify.gates.family import GateFamily, gates_of, harden
from relu2mip.frontends.sparsify.objective import Objective
from relu2mip.frontends.sparsify.rewrite import sparsify

Kinds = tuple[Tensor, ...]
"""The kinds of all gates of a network."""


@dataclass(frozen=True, eq=False)
class Gated:
    """A network with gates.

    history: the kinds of all gates each time it shrank. From these and the network at the start, its layers follow, so
    a checkpoint need not hold code.
    """

    network: fx.GraphModule
    history: tuple[Kinds, ...] = ()

    def shrunk(self, objective: Objective, family: GateFamily) -> Gated:
        """What is left of the network; itself where the family keeps its gates, or where no ReLU is left."""
        if not family.shrinks:
            return self
        kinds = tuple(gate.kind.cpu().clone() for gate in gates_of(self.network).values())
        left = compact(_hardened(self.network), objective.example(), inner=True)
        if not left.meta["relus"]:
            return self
        network = sparsify(left.to(objective.device), objective.example(), family).to(objective.device)
        family.prepare(network, objective)
        return Gated(network.train(self.network.training), (*self.history, kinds))

    def again(self, history: Sequence[Kinds], objective: Objective, family: GateFamily) -> Gated:
        """A network of the layers that one with such a history has, which begins with that of this one."""
        found = Gated(copy.deepcopy(self.network), self.history)
        for kinds in history[len(self.history) :]:
            for gate, kind in zip(gates_of(found.network).values(), kinds, strict=True):
                gate.kind.copy_(kind)
            found = found.shrunk(objective, family)
        return found


def _hardened(network: fx.GraphModule) -> fx.GraphModule:
    """A copy whose gated units are ReLUs."""
    network = copy.deepcopy(network).eval()
    harden(network)
    return network
