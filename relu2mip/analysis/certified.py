"""The causal graph of a network on a box: which outputs can depend on which inputs there, proven.

An output does not depend on an input over a box where the generalised Jacobian has 0 at that entry all over it. Bounds
prove phases of units, phases give an interval enclosure of the Jacobian (`relu2mip.analysis.enclosure`), and an entry
enclosed by {0} is absent. An entry with another value at some point is present. What is neither is undecided; the exact
mode (`relu2mip.analysis.exact`) decides more of that, by activation regions or by mixed-integer programs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import number
from relu2mip.analysis.enclosure import enclosures
from relu2mip.analysis.exact import ExactOptions, decide
from relu2mip.analysis.witness import Witnesses
from relu2mip.arrays import Array, Mask
from relu2mip.bounds import Bounds, Grade, compute_bounds
from relu2mip.errors import InvalidOption
from relu2mip.ir import Graph
from relu2mip.normal_form import NormalForm
from relu2mip.options import parse
from relu2mip.registry import bound_methods
from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.network import network


@dataclass(frozen=True, eq=False)
class CertifiedGraph:
    """The dependence of outputs on inputs over a box. Arrays are (outputs, inputs), flat in graph order.

    lower, upper: an enclosure of every generalised Jacobian in the box.  absent: 0 all over the box.  present: not 0 at
    some point of it, which `witnesses` holds, (outputs, inputs, inputs), else NaN.  grade: of `absent`: certified by
    intervals, trusted where a solver's word took part.  certified: the absent entries that intervals prove alone.
    regions: how many activation regions were enumerated, all of them; None where they were not, or were too many.
    input_names, output_names: such as `x[3]`.
    """

    lower: Array
    upper: Array
    absent: Mask
    present: Mask
    certified: Mask
    witnesses: Array
    grade: Grade
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    regions: int | None = None

    @property
    def undecided(self) -> Mask:
        """The entries that are neither proven absent nor seen to be present."""
        return ~self.absent & ~self.present

    @property
    def sparsity(self) -> float:
        """The share of entries that are absent."""
        return float(self.absent.mean())

    def negligible(self, tolerance: float) -> Mask:
        """The entries that are within the tolerance of 0 all over the box, proven.

        Raises `InvalidProblem` for a tolerance that is no number, `InvalidOption` for one below 0.
        """
        if number(tolerance, "tolerance") < 0:
            raise InvalidOption(f"tolerance is {tolerance:g}; give 0 or more")
        return np.maximum(np.abs(self.lower), np.abs(self.upper)) <= tolerance

    def to_networkx(self) -> Any:
        """A `networkx.DiGraph` from inputs to the outputs that may depend on them.

        Edges have `lower`, `upper`, and `known`: "present" or "undecided".
        """
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from((f"in {name}" for name in self.input_names), side="input")
        graph.add_nodes_from((f"out {name}" for name in self.output_names), side="output")
        for i, j in np.argwhere(~self.absent).tolist():
            known = "present" if self.present[i, j] else "undecided"
            edge = {"lower": float(self.lower[i, j]), "upper": float(self.upper[i, j]), "known": known}
            graph.add_edge(f"in {self.input_names[j]}", f"out {self.output_names[i]}", **edge)
        return graph

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the same names."""
        made = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}
        return {**made, "grade": str(self.grade), "sparsity": self.sparsity}

    def __str__(self) -> str:
        counts = {"absent": self.absent, "present": self.present, "undecided": self.undecided}
        said = ", ".join(f"{int(mask.sum())} {name}" for name, mask in counts.items())
        return f"{self.absent.size} entries: {said} ({self.grade})"


def certified_graph(
    net: Graph | str,
    lower: ArrayLike,
    upper: ArrayLike,
    bounds: str = "crown",
    exact: ExactOptions | None = None,
) -> CertifiedGraph:
    """The causal graph of a network over a box of its inputs.

    lower, upper: numbers, or one entry for each input entry, flat over all inputs in graph order. Finite.
    bounds: bound methods, which prove the phases of units.  exact: decide what intervals leave, by enumerating
    activation regions or by mixed-integer programs, within these limits; None: do not.

    Raises `InvalidProblem` for a box that does not fit, `UnknownOption` for an unknown method, and `InvalidOption` for
    methods that hold only for good plans.

    >>> from relu2mip.ir.samples import integrator
    >>> graph = certified_graph(integrator(), [-1, 2, -1], [1, 3, 1])
    >>> graph.absent.astype(int).tolist()
    [[1, 0, 1], [1, 0, 0]]
    >>> graph.lower.round(3).tolist()
    [[0.0, 0.5, 0.0], [0.0, -0.25, 0.5]]
    """
    read: Graph = network(net, "net")
    unrolled = BoxProblem(read, lower, upper, np.zeros(read.output_size)).unrolled
    found = compute_bounds(unrolled, parse(bounds, bound_methods, "bounds"))
    if found.cutoff is not None:
        raise InvalidOption(f"bounds {bounds!r} hold only for good plans of a problem; take those of the whole box")
    graph, seen = _enclosed(read, unrolled.form, found)
    return graph if exact is None or not graph.undecided.any() else _decided(read, graph, found, seen, exact)


def _enclosed(net: Graph, form: NormalForm, bounds: Bounds) -> tuple[CertifiedGraph, Witnesses]:
    """The graph that intervals and random points give, and what looks for more points."""
    inputs = list(form.inputs.values())
    outputs = tuple(i for i in form.outputs.values() if i not in inputs)
    every = enclosures(form, bounds.lower, bounds.upper, inputs)
    parts = [every[i] for i in outputs]
    low, high, reached = (np.concatenate([getattr(p, side) for p in parts]) for side in ("lower", "upper", "reached"))
    start, end = (np.concatenate([side[i] for i in inputs]) for side in (bounds.lower, bounds.upper))
    seen = Witnesses(form, start, end, outputs)
    points = np.where(reached[..., None], seen.random(), np.nan)
    names = _names(net.inputs), _names(net.outputs)
    return CertifiedGraph(low, high, ~reached, _found(points), ~reached, points, bounds.grade, *names), seen


def _decided(net: Graph, graph: CertifiedGraph, bounds: Bounds, seen: Witnesses, exact: ExactOptions) -> CertifiedGraph:
    """The graph with what is undecided decided, as far as the limits allow."""
    allowed = np.maximum(np.abs(graph.lower), np.abs(graph.upper)) * (seen.high - seen.low)
    found = decide(net, bounds, graph.undecided, allowed, seen, exact)
    absent = graph.absent | (graph.undecided & found.zero)
    grade = Grade.worst([graph.grade, Grade.TRUSTED]) if (absent & ~graph.certified).any() else graph.grade
    low, high = np.maximum(graph.lower, found.lower), np.minimum(graph.upper, found.upper)
    low, high = np.where(absent, 0.0, np.minimum(low, high)), np.where(absent, 0.0, np.maximum(low, high))
    points = np.where((graph.undecided & ~absent)[..., None], found.witnesses, graph.witnesses)
    return replace(
        graph,
        lower=low,
        upper=high,
        absent=absent,
        present=_found(points),
        witnesses=points,
        grade=grade,
        regions=found.regions,
    )


def _found(points: Array) -> Mask:
    return np.asarray(~np.isnan(points).any(axis=-1))


def _names(ports: Any) -> tuple[str, ...]:
    return tuple(f"{port.name}[{k}]" for port in ports for k in range(port.size))
