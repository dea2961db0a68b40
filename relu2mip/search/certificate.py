"""The proof that a search leaves behind: a plan, the cuts of its tree, and a bound of each leaf; and its check.

The leaves cover the problem by construction, two parts of one cut at a time, so the smallest of their bounds is a bound
of the objective. `check` trusts none of it: it compares the problem, works the boxes out from the cuts, evaluates the
plan, and proves the bound of every leaf again, by zonotopes with bounds of its own, and where those do not reach it by
a solver of your choice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.arrays import Array, Index, Mask
from relu2mip.bounds.crown import Crown
from relu2mip.errors import CrossedBounds, InvalidProblem, OutOfTime
from relu2mip.formulations import BigM, Formulation
from relu2mip.mip.solver import Solver
from relu2mip.options import parse
from relu2mip.registry import backends
from relu2mip.runtime.deadline import expired, limited
from relu2mip.search.boxes import Boxes
from relu2mip.search.judge import Judge
from relu2mip.search.leaf import solved
from relu2mip.search.tree import Tree
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.premises import FORM, Premises
from relu2mip.unrolled.problem import Problem

FORMAT = 1

ARRAYS = "across", "low_part", "high_part", "parts", "bound"
"""What a file has of the tree."""

ROUNDING = 1e-9
"""By how much a bound proven again may be lower, relative to the plan's cost and to how much costs differ."""

TOLERANCE = 1e-6
"""The same of one by a solver, and of the plan's cost."""

TOGETHER = 64
"""Leaves that a solver proves again in one program, as far as that succeeds."""


@dataclass(frozen=True, eq=False)
class Checked:
    """What a check found.

    bound: of the objective, as the problem minimises it, as far as it was proven again; -inf where anything is amiss.
    leaves: how many there are.  proven: how many of them were proven again.  solver: how many of these by a solver.
    faults: what is wrong, in words.
    """

    bound: float
    leaves: int
    proven: int
    solver: int = 0
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything was proven again."""
        return not self.faults and self.proven == self.leaves


@dataclass(frozen=True, eq=False)
class Certificate:
    """See the module's text.

    facts: what the problem was, as texts and fingerprints.  lower, upper: the box of the free inputs.  plan: the best
    one.  tree: the cuts and bounds.

    >>> import relu2mip as r2m
    >>> from relu2mip.ir.samples import tiny
    >>> problem = r2m.BoxProblem(tiny(), -1, 1, objective=[1.0], sense="max")
    >>> answer = r2m.solve(problem, search="cells")
    >>> answer.certificate.check(problem).passed
    True
    """

    facts: Mapping[str, str]
    lower: Array
    upper: Array
    plan: Plan
    tree: Tree

    @property
    def bound(self) -> float:
        """Of the objective, as the problem minimises it."""
        return min(self.plan.cost, self.tree.least)

    @property
    def leaves(self) -> int:
        """How many boxes cover the problem."""
        return int(self.tree.leaves.sum())

    def check(
        self,
        problem: Problem,
        backend: str | Solver = "highs",
        formulation: Formulation | None = None,
        seconds: float = 10.0,
        time_limit: float = math.inf,
    ) -> Checked:
        """Prove it again.

        backend, formulation: of what zonotopes do not prove.  seconds: for one program of it.  time_limit: for all.
        Raises `InvalidProblem` where it is the certificate of another problem.
        """
        unrolled = problem.unrolled
        self._require(problem)
        bounds = Bounds.of(unrolled.form, unrolled.domain)
        judge = Judge.of(problem, bounds.joined(Crown().tighten(unrolled, bounds)))
        faults = [*self._gaps(judge), *self._plan_faults(problem)]
        if faults:
            return Checked(-math.inf, self.leaves, 0, 0, tuple(faults))
        solver: Any = parse(backend, backends, "backend")[0] if isinstance(backend, str) else backend
        with limited(time_limit):
            try:
                by_boxes, by_solver, faults = self._proven(judge, solver, formulation or BigM(), seconds)
            except OutOfTime:
                by_boxes, by_solver = 0, 0
        proven = by_boxes + by_solver
        good = not faults and proven == self.leaves
        return Checked(self.bound if good else -math.inf, self.leaves, proven, by_solver, tuple(faults))

    def _proven(
        self, judge: Judge, solver: Solver, formulation: Formulation, seconds: float
    ) -> tuple[int, int, list[str]]:
        """How many leaves zonotopes prove, how many a solver, and which have a plan below their bound."""
        unit = max(abs(self.plan.cost), judge.problem.unrolled.objective().unit)
        leaves, boxes = self.tree.boxes(self._whole)
        claimed = np.minimum(self.tree.bound[leaves], self.plan.cost)
        inside = boxes.high >= boxes.low
        missing = ~(judge.judged(boxes, plans=False).least >= claimed - ROUNDING * unit) & inside.all(axis=1)
        faults: list[str] = []
        by_solver, stack = 0, [part for part in np.array_split(np.flatnonzero(missing), _groups(missing)) if part.size]
        while stack and not expired():
            some = stack.pop()
            limit = float(claimed[some].max()) - TOLERANCE * unit
            bounds = _hull(judge, boxes[some])
            found = None
            if bounds is not None:
                found = solved(judge.problem.unrolled, bounds, formulation, solver, limit, TOLERANCE, seconds)
            if found is None or found.bound >= limit - TOLERANCE * unit:
                by_solver += some.size
            elif some.size > 1:
                stack += np.array_split(some, 2)
            elif found.inputs is not None and (cost := _cost(judge.problem, found.inputs)) < limit:
                faults.append(f"leaf {leaves[some[0]]} claims {claimed[some[0]]:g}, and has a plan of {cost:g}")
        return int((~missing).sum()), by_solver, faults

    @property
    def _whole(self) -> Boxes:
        return Boxes(self.lower[None], self.upper[None])

    def save(self, path: str | Path) -> Path:
        """Write an .npz file."""
        head = {"format": FORMAT, "facts": dict(self.facts), "cost": self.plan.cost, "inputs": list(self.plan.inputs)}
        plan: dict[str, Any] = {f"plan {k}": x for k, x in enumerate(self.plan.inputs.values())}
        size, tree = self.tree.size, self.tree
        arrays = {name: getattr(tree, name)[:size] for name in ARRAYS}
        with Path(path).open("wb") as file:
            np.savez_compressed(file, head=json.dumps(head), lower=self.lower, upper=self.upper, **plan, **arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Certificate:
        """Read what `save` wrote; raises `InvalidProblem` for anything else."""
        try:
            with np.load(path, allow_pickle=False) as file:
                head = json.loads(str(file["head"]))
                if head["format"] != FORMAT:
                    raise ValueError(f"format {head['format']}, not {FORMAT}")
                plan = Plan({name: file[f"plan {k}"] for k, name in enumerate(head["inputs"])}, float(head["cost"]))
                arrays = [file[name] for name in ARRAYS]
                tree = Tree(**dict(zip(ARRAYS, arrays, strict=True)), size=len(arrays[0]))
                return cls(head["facts"], file["lower"], file["upper"], plan, tree)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise InvalidProblem(
                f"{path} is no certificate ({error}); `relu2mip solve --certificate` writes one"
            ) from error

    def _require(self, problem: Problem) -> None:
        premises = problem.unrolled.rests_on(exact=True)
        if premises is None:
            raise InvalidProblem("a form made by hand has no certificate")
        if reason := Premises(self.facts, {}, exact=True).differing(_facts(premises)):
            raise InvalidProblem(f"this is the certificate of another problem: {reason}")

    def _gaps(self, judge: Judge) -> list[str]:
        """Where the leaves may not cover the problem."""
        whole, tree, size = judge.whole, self.tree, self.tree.size
        arrays = [getattr(tree, name) for name in ARRAYS]
        if any(len(one) < size for one in arrays) or size < 1:
            return ["its arrays differ in length"]
        if self.lower.shape != whole.low[0].shape or self.upper.shape != whole.high[0].shape:
            return ["it has another number of free inputs"]
        if (self.lower > whole.low[0]).any() or (self.upper < whole.high[0]).any():
            return ["its box does not hold that of the problem"]
        inner = np.flatnonzero(~tree.leaves)
        first = tree.parts[inner]
        if (first <= inner).any() or (first + 1 >= size).any() or (tree.across[inner] >= self.lower.size).any():
            return ["a node is cut into parts that are not behind it, or across an input that is not there"]
        children = np.concatenate([first, first + 1])
        if np.unique(children).size != children.size or children.size != size - 1 or np.isnan(tree.bound).any():
            return ["a node is not a part of exactly one other"]
        return self._holes(judge, inner)

    def _holes(self, judge: Judge, inner: Index) -> list[str]:
        """Cuts that leave something out between their parts; between two listed values nothing lies."""
        low, high, across = self.tree.low_part[inner], self.tree.high_part[inner], self.tree.across[inner]
        holes = []
        for k in np.flatnonzero(~(low >= high)).tolist():
            listed = judge.levels[int(across[k])]
            if listed is None or ((listed > low[k]) & (listed < high[k])).any() or np.isnan(low[k] + high[k]):
                holes.append(f"node {inner[k]}: nothing covers input {across[k]} from {low[k]:g} to {high[k]:g}")
        return holes

    def _plan_faults(self, problem: Problem) -> list[str]:
        objective = problem.unrolled.objective()
        if {name: x.shape for name, x in self.plan.inputs.items()} != {n: b[0].shape for n, b in objective.box.items()}:
            return ["its plan has other inputs"]
        cost, violation = objective.evaluate({name: x[None] for name, x in self.plan.inputs.items()})
        plan = Plan(self.plan.inputs, float(cost[0]), float(violation[0]))
        if not plan.feasible:
            return [f"its plan leaves a set, by {plan.violation:.2g} of its range"]
        if not abs(plan.cost - self.plan.cost) <= TOLERANCE * max(abs(plan.cost), objective.unit):
            return [f"its plan costs {plan.cost:g}, not {self.plan.cost:g}"]
        return []


def certified(judge: Judge, plan: Plan, tree: Tree) -> Certificate | None:
    """The certificate of a search; None for a form made by hand, and where bounds had cut the inputs' boxes before."""
    unrolled = judge.problem.unrolled
    premises = unrolled.rests_on(exact=True)
    inputs = [(i, *unrolled.domain[i]) for i in unrolled.form.inputs.values()]
    whole = all(np.array_equal(judge.lower[i], a) and np.array_equal(judge.upper[i], b) for i, a, b in inputs)
    if premises is None or not whole:
        return None
    return Certificate(_facts(premises), judge.whole.low[0], judge.whole.high[0], plan, tree)


def evaluated(problem: Problem, inputs: Mapping[str, Array]) -> Plan:
    """The nearest plan to a point that a solver found, as the network has it."""
    objective = problem.unrolled.objective()
    batch: dict[str, Any] = {name: low[None].copy() for name, (low, _) in objective.box.items()}
    batch |= {name: np.asarray(x)[None] for name, x in inputs.items()}
    snapped = objective.snap(batch)
    cost, violation = objective.evaluate(snapped)
    return Plan({name: x[0] for name, x in snapped.items()}, float(cost[0]), float(violation[0]))


def _facts(premises: Premises) -> dict[str, str]:
    """What the problem is; which version wrote it down, and how it was unrolled, does not matter."""
    boxes = {f"box {i}": f"{low.tolist()} to {high.tolist()}" for i, (low, high) in premises.boxes.items()}
    return {name: fact for name, fact in premises.facts.items() if name not in (FORM, "relu2mip")} | boxes


def _cost(problem: Problem, inputs: Mapping[str, Array]) -> float:
    plan = evaluated(problem, inputs)
    return plan.cost if plan.feasible else math.inf


def _hull(judge: Judge, boxes: Boxes) -> Bounds | None:
    """What holds over some boxes, carried to all units by CROWN; None where there is nothing in them."""
    found = judge.hull(boxes)
    if found is None:
        return None
    bounds, _ = found
    try:
        return bounds.joined(Crown().tighten(judge.problem.unrolled, bounds))
    except CrossedBounds:
        return None


def _groups(missing: Mask) -> int:
    return max(1, math.ceil(int(missing.sum()) / TOGETHER))
