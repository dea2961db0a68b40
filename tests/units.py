"""The conformance problems in other units: any network over a box, rewritten exactly, with the same answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import relu2mip as r2m
from relu2mip.ir import Graph, Node, Scale


@dataclass(frozen=True)
class BoxUnits:
    """x' = offset + scale * x of every input; outputs multiplied by `output`, the objective's weights by `weights`."""

    name: str
    scale: float
    offset: float = 0.0
    output: float = 1.0
    weights: float = 1.0

    def __str__(self) -> str:
        return self.name

    def problem(self, base: r2m.BoxProblem) -> r2m.BoxProblem:
        """The same problem."""
        low, high = (self.offset + self.scale * side for side in base.limits)
        net = self.network(base.net)
        return r2m.BoxProblem(net, low, high, self.weights * base.coefficients, base.sense)

    def network(self, net: Graph) -> Graph:
        """The network with its inputs read in these units, and its outputs given in them."""
        nodes, names = [], {}
        for port in net.inputs:
            names[port.name] = f"{port.name}.plain"
            factor, shift = np.full(port.size, 1 / self.scale), np.full(port.size, -self.offset / self.scale)
            nodes.append(Node(names[port.name], Scale(factor, shift), (port.name,), port.shape))
        outputs = {port.name: f"{port.name}.plain" for port in net.outputs}
        names |= outputs
        nodes += [
            Node(names.get(n.name, n.name), n.op, tuple(names.get(k, k) for k in n.inputs), n.shape) for n in net.nodes
        ]
        for port in net.outputs:
            scale = Scale(np.full(port.size, self.output), np.zeros(port.size))
            nodes.append(Node(port.name, scale, (outputs[port.name],), port.shape))
        return Graph(net.name, net.inputs, net.outputs, tuple(nodes))

    @property
    def factor(self) -> float:
        """What the objective is multiplied by."""
        return self.output * self.weights


BOX_UNITS = [
    BoxUnits("micro", 2.0**-20, output=2.0**-20),
    BoxUnits("mega", 2.0**20, output=2.0**20),
    BoxUnits("offset", 2.0**-10, offset=1024.0, output=2.0**-20, weights=2.0**10),
    BoxUnits("cost", 1.0, weights=1e-12),
]
