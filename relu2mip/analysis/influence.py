"""Whether one input alone can move an output over a box, decided by a mixed-integer program.

Two copies of a network share all of their inputs but one:

    maximise  min(y_j(x') - y_j(x), most)     over x, x' in the box,  x'_k = x_k for all k other than i

The maximum is 0 if and only if the entry (j, i) of the Jacobian is 0 in every activation region that has an inside in
the box. If it is 0 in all of them, y_j is constant along almost every line in the direction of x_i, and by continuity
along all. If it is not in one, a step along x_i inside that region moves y_j. Kinks need no care: no derivative is
encoded. Between x and x' there is then a point with a slope (mean value theorem; Lebourg's where there are kinks),
which is looked for and evaluated; so an entry is found present by a witness, and absent by the proven bound alone.

`most` is a small part of what the interval enclosure allows, so that a search ends at the first plan with a clear
effect. Programs come from `relu2mip.solve`, with all it has: bounds, plans found beside the search, any backend.

Sources: for two copies of a network in one program Wang et al., "Efficient Global Robustness Certification of Neural
Networks via Interleaving Twin-Network Encoding" (DATE 2022); Lebourg in Clarke, "Optimization and Nonsmooth Analysis"
(1983), theorem 2.3.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import NoIncumbent, OutOfTime, SolverFailure
from relu2mip.ir import Add, Clip, Graph, Node, Port, Rearrange, Scale
from relu2mip.pipeline.solving import solve
from relu2mip.trajectory.box_problem import BoxProblem

CLEAR = 1e-2
"""A change of the output by this share of what intervals allow is a clear effect, and ends a search."""

NOTHING = 1e-5
"""A proven bound up to this share of it is 0, within the tolerances of solvers."""

GAP = 0.5
"""Relative gap of a search: any effect will do."""


@dataclass(frozen=True, eq=False)
class Effect:
    """What was found of an output and an input: the largest change, proven, as a share of what intervals allow.

    start, end: two points of the box that differ in that input alone, with the largest change found.
    """

    bound: float
    start: Array
    end: Array

    @property
    def nothing(self) -> bool:
        """Whether the input moves the output nowhere, within tolerances."""
        return self.bound <= NOTHING


def effect(
    net: Graph, box: tuple[Array, Array], j: int, i: int, allowed: float, backend: str, seconds: float
) -> Effect | None:
    """The largest change of output j by input i alone, both numbered flat in graph order; None where nobody knows.

    box: of the inputs, flat.  allowed: a change that is certainly not exceeded, above 0.

    >>> import numpy as np
    >>> from relu2mip.ir.samples import integrator
    >>> slow = -np.ones(3), np.array([1.0, 0.9, 1.0])               # friction acts above speed 1
    >>> effect(integrator(), slow, 1, 1, 1.0, "highs", 10.0).nothing
    True
    """
    low, high = box
    problem = BoxProblem(twins(net, j, i, allowed), np.r_[low, low[i]], np.r_[high, high[i]], [1.0], sense="max")
    try:
        found = solve(problem, backend, gap=GAP, time_limit=seconds, threads=1)
    except (NoIncumbent, OutOfTime, SolverFailure):
        return None
    flat = np.concatenate([found.inputs[port.name].ravel() for port in problem.net.inputs])
    start, end = flat[:-1], flat[:-1].copy()
    end[i] = flat[-1]
    return Effect(found.bound if found.sound and found.exact else np.inf, start, end)


def twins(net: Graph, j: int, i: int, allowed: float) -> Graph:
    """min((y_j(x') - y_j(x)) / allowed, CLEAR) of the inputs of a network and one more, x'_i, the last."""
    taken = {port.name for port in net.inputs} | {node.name for node in net.nodes}
    moved, other, change, share, result = _new(taken, "moved", "other", "change", "share", "effect")
    port, at = _entry(net.inputs, i)
    index = np.arange(port.size)
    index[at] = port.size
    again = {node.name: f"{other}.{node.name}" for node in net.nodes} | {port.name: other}
    nodes = [*net.nodes, Node(other, Rearrange(index), (port.name, moved), (port.size,))]
    nodes += [replace(n, name=again[n.name], inputs=tuple(again.get(k, k) for k in n.inputs)) for n in net.nodes]
    read, entry = _entry(net.outputs, j)
    ends = []
    for name in (again.get(read.name, read.name), read.name):
        ends.append(f"{change}.{name}")
        nodes.append(Node(ends[-1], Rearrange(np.array([entry])), (name,), (1,)))
    nodes += [
        Node(change, Add((1.0, -1.0)), tuple(ends), (1,)),
        Node(share, Scale(np.array([1.0 / allowed]), np.zeros(1)), (change,), (1,)),
        Node(result, Clip(np.array([-np.inf]), np.array([CLEAR])), (share,), (1,)),
    ]
    return Graph(f"{net.name} twice", (*net.inputs, Port(moved, (1,))), (Port(result, (1,)),), tuple(nodes))


def _entry(ports: tuple[Port, ...], flat: int) -> tuple[Port, int]:
    """The port of a flat entry, and its number there."""
    for port in ports:
        if flat < port.size:
            return port, flat
        flat -= port.size
    raise IndexError(flat)


def _new(taken: set[str], *wanted: str) -> Iterator[str]:
    """These words, numbered where names begin with them."""
    for word in wanted:
        yield next(w for k in count() if not any(name.startswith(w := f"{word}{k or ''}") for name in taken))
