"""The choices that a caller names: problem, bounds, formulation, backend; resolved, or refused with the valid ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from relu2mip.accept import refuse, shown, whole
from relu2mip.backends.protocol import Backend
from relu2mip.bounds import BoundMethod, Grade
from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.formulations import Formulation
from relu2mip.mip.solver import Solver
from relu2mip.options import AUTO, TREE, parse
from relu2mip.registry import backends, bound_methods, formulations, searches
from relu2mip.search import Cells
from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.problem import Trajectory

Problem: TypeAlias = Trajectory | BoxProblem

BASE_BOUNDS = "crown"
"""The method that those which prove nothing, like `data`, start from."""

AUTO_FORMULATION = "big-m"
"""For every problem: on the example models no other one, nor a mixture, was faster throughout (docs/formulations)."""

BoundSpec: TypeAlias = str | BoundMethod | Sequence[BoundMethod]


def require_problem(problem: object) -> None:
    """Raise `InvalidProblem` for what is neither a `Trajectory` nor a `BoxProblem`."""
    if not isinstance(problem, Trajectory | BoxProblem):
        refuse(problem, "problem", "a Trajectory or a BoxProblem (Trajectory.from_toml reads a file)")


def resolve_bounds(spec: BoundSpec) -> list[BoundMethod]:
    """The bound methods that a specification names; "data" alone starts from "crown"."""
    if isinstance(spec, str):
        methods = parse(spec, bound_methods, "bounds")
    elif isinstance(spec, Sequence):
        methods = [method for part in spec for method in (resolve_bounds(part) if isinstance(part, str) else [part])]
    else:
        methods = [spec]
    if not methods or not all(hasattr(method, "tighten") and not isinstance(method, type) for method in methods):
        raise InvalidOption(f"bounds {shown(spec)}: give a name, a bound method, or a list of bound methods")
    if methods[0].grade is Grade.UNSOUND:
        methods = [*parse(BASE_BOUNDS, bound_methods, "bounds"), *methods]
    return methods


def chosen_formulation(problem: Problem, spec: str | Formulation | None) -> Formulation:
    """The formulation asked for; None takes the problem file's choice, else "auto"."""
    return resolve_formulation(spec if spec is not None else problem.options.get("formulation", "auto"))


def chosen_binary_horizon(problem: Problem, given: int | None) -> int:
    """The step from which on binaries are relaxed; None takes the problem file's choice, else 0, which relaxes none."""
    step: int = whole(0)(given if given is not None else problem.options.get("binary_horizon", 0), "binary_horizon")
    if step and not isinstance(problem, Trajectory):
        raise InvalidProblem(f"binary_horizon is {step}; a box problem has no steps: leave it out, or give 0")
    return step


def resolve_formulation(spec: str | Formulation) -> Formulation:
    """The formulation that a specification names."""
    if not isinstance(spec, str):
        if not all(hasattr(spec, part) for part in ("relu", "exact")) or isinstance(spec, type):
            raise InvalidOption(f"formulation {shown(spec)}: give a name, or a formulation of relu2mip.formulations")
        return spec
    chosen: list[Formulation] = parse(AUTO_FORMULATION if spec == "auto" else spec, formulations, "formulation")
    if len(chosen) != 1:
        raise InvalidOption(f"formulation {spec!r}: give exactly one")
    return chosen[0]


def chosen_search(problem: Problem, spec: str | Cells | None) -> str | Cells:
    """The search asked for: `AUTO`, `TREE` or one of relu2mip's. None takes the problem file's choice, else `AUTO`."""
    return resolve_search(spec if spec is not None else problem.options.get("search", AUTO))


def resolve_search(spec: str | Cells) -> str | Cells:
    """The search that a specification names. Raises `UnknownOption`."""
    if not isinstance(spec, str):
        if not isinstance(spec, Cells):
            raise InvalidOption(f"search {shown(spec)}: give a name, or a search such as relu2mip.search.Cells()")
        return spec
    if spec in (AUTO, TREE):
        return spec
    chosen: list[Cells] = parse(spec, {AUTO: Cells, TREE: Cells, **searches}, "search")
    if len(chosen) != 1 or spec.partition("(")[0].strip() in (AUTO, TREE):
        raise InvalidOption(f"search {spec!r}: give {AUTO!r}, {TREE!r}, or one search with its options")
    return chosen[0]


def resolve_solver(spec: str | Solver) -> Solver:
    """The backend that a specification names; a backend, or a session of one, as it is. Raises `UnknownOption`."""
    return resolve_backend(spec)  # type: ignore[arg-type]


def resolve_backend(spec: str | Backend) -> Backend:
    """The backend that a specification names; raises `UnknownOption`."""
    if not isinstance(spec, str):
        if not hasattr(spec, "solve") or isinstance(spec, type):
            raise InvalidOption(f"backend {shown(spec)}: give a name, or a backend")
        return spec
    chosen: list[Backend] = parse(spec, backends, "backend")
    if len(chosen) != 1:
        raise InvalidOption(f"backend {spec!r}: give exactly one")
    return chosen[0]
