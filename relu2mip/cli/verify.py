"""`relu2mip verify`: prove again what a search proved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from relu2mip.cli.arguments import Debug, Formulation, Json, Problem
from relu2mip.cli.console import progress, show, show_json
from relu2mip.errors import SolverFailure


def verify(
    problem: Problem,
    certificate: Annotated[Path, typer.Argument(help="What `solve --certificate` wrote.", show_default=False)],
    backend: Annotated[str, typer.Option(help="Backend for what boxes do not prove.")] = "highs",
    formulation: Formulation = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for all of it.", show_default=False, metavar="SECONDS")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Prove the bound of a certificate again: that its boxes cover the problem, and the bound of each.

    Nothing that the search said is trusted: bounds are computed anew, and the plan is evaluated. Take another backend
    than the search had. Exit code 4 where anything is wrong, or was not proven in time.

    Examples:
      relu2mip verify problem.toml proof.npz
      relu2mip verify problem.toml proof.npz --backend gurobi --time-limit 600
    """
    from relu2mip.pipeline.searching import sign_of
    from relu2mip.pipeline.specs import resolve_backend, resolve_formulation
    from relu2mip.search import Certificate
    from relu2mip.trajectory.read import read

    solver, how = resolve_backend(backend), resolve_formulation(formulation or "auto")
    described, proof = read(problem), Certificate.load(certificate)
    with progress(f"verifying {certificate}"):
        found = proof.check(described, solver, how, time_limit=time_limit or float("inf"))
    sign = sign_of(described)
    if json:
        bound = sign * found.bound if found.passed else None
        said = {"passed": found.passed, "objective": sign * proof.plan.cost, "bound": bound}
        show_json(
            {**said, "leaves": found.leaves, "proven": found.proven, "by_solver": found.solver, "faults": found.faults}
        )
    elif found.passed:
        by = f", {found.solver} of them by {backend}" if found.solver else ""
        show(f"proven again: objective {sign * proof.plan.cost:g}, bound {sign * found.bound:g}")
        show(f"{found.leaves} boxes{by}")
    if not found.passed:
        left = found.leaves - found.proven
        why = "; ".join(found.faults) or f"{left} of {found.leaves} boxes were not proven; give it more time"
        raise SolverFailure(f"{certificate}: not proven: {why}")
