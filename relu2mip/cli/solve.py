"""`relu2mip solve`: an optimal plan, checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu2mip.cli.arguments import (
    BinaryHorizon,
    Bounds,
    Debug,
    Formulation,
    Json,
    Problem,
    Search,
    check_choices,
    with_options,
)
from relu2mip.cli.console import message, show, show_json
from relu2mip.cli.files import check_output, complete
from relu2mip.cli.report import SIZES, answer_tables, layer_table, summary
from relu2mip.cli.watching import watching
from relu2mip.errors import InvalidOption, InvalidProblem, NoIncumbent, SolverFailure
from relu2mip.options import AUTO, TREE, SolveOptions
from relu2mip.runtime.standard_output import to_stderr

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from relu2mip.pipeline.answer import Answer
    from relu2mip.trajectory.box_problem import BoxProblem
    from relu2mip.trajectory.problem import Trajectory


@with_options(SolveOptions)
def solve(
    problem: Problem,
    backend: Annotated[
        str | None, typer.Option(help='"highs", "gurobi", "cvxpy" or "cvxpy(solver=SCIP)".', show_default=False)
    ] = None,
    bounds: Bounds = None,
    formulation: Formulation = None,
    binary_horizon: BinaryHorizon = None,
    search: Search = None,
    certificate: Annotated[
        Path | None,
        typer.Option(help='Write the proof of --search "cells", for `relu2mip verify`: .npz.', show_default=False),
    ] = None,
    sizes: Annotated[bool, typer.Option("--sizes", help="Show sizes per layer and step.", show_default=False)] = False,
    output: Annotated[Path | None, typer.Option(help="Write the answer as JSON.", show_default=False)] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw states and controls: .png, .svg or .pdf.", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
    **options: Any,
) -> None:
    """Solve a problem, check the solver's word, and print the plan.

    What is not given comes from the problem file's [solve] table, else from the defaults. Ctrl-C ends the search with
    the best plan so far, which is printed and written like any other.

    Examples:
      relu2mip solve problem.toml
      relu2mip solve problem.toml --backend gurobi --time-limit 5s --output answer.json
      relu2mip solve problem.toml --sizes --plot plan.png
      relu2mip solve problem.toml --search "cells(workers=2)" --certificate proof.npz
    """
    from relu2mip.trajectory.problem import Trajectory
    from relu2mip.trajectory.read import read

    check_choices(bounds, formulation, backend, options, search)
    check_output(output)
    check_output(certificate)
    if plot is not None:
        check_picture(plot)
    described = read(problem)
    if plot is not None and not isinstance(described, Trajectory):
        raise InvalidProblem(f"{problem} has no steps to plot, it is a box problem; leave out --plot")
    if certificate is not None and (search or described.options.get("search", AUTO)) in (AUTO, TREE):
        raise InvalidOption('--certificate: a backend\'s own search leaves none; give --search "cells"')
    answer = solved(described, backend, bounds, formulation, options, binary_horizon, search)
    if output is not None:
        with complete(output) as path:
            answer.save(path)
    if certificate is not None:
        if answer.certificate is None:
            said: dict[str, Any] = {"stop": answer.status, "bound": answer.bound, "seconds": answer.seconds}
            raise NoIncumbent("the search ended without a proof to write", **said)
        with complete(certificate) as path:
            answer.certificate.save(path)
    if plot is not None and isinstance(described, Trajectory):
        draw(answer, plot, described)
    if json:
        show_json(answer.to_dict())
    else:
        show(*answer_tables(answer), summary(answer))
        if sizes:
            show(layer_table(answer.statistics.layers, SIZES))
    for written in filter(None, (output, certificate, plot)):
        message(f"wrote {written}")
    require_plan(answer)


def solved(
    problem: Trajectory | BoxProblem,
    backend: str | None = None,
    bounds: str | None = None,
    formulation: str | None = None,
    options: Mapping[str, Any] | None = None,
    binary_horizon: int | None = None,
    search: str | None = None,
) -> Answer:
    """The answer; what the solver prints goes to standard error."""
    from relu2mip.pipeline.solving import solve as solve_problem

    options = options or {}
    log = options.get("log", problem.options.get("log", False))
    with watching("solving", quiet=bool(log)), to_stderr():
        given = {"binary_horizon": binary_horizon, "search": search, **options}
        return solve_problem(problem, backend, bounds, formulation, **given)


def check_picture(path: Path) -> None:
    """Raise before any work is done for a picture that could not be drawn."""
    from relu2mip.plots.plan import check_plot

    check_output(check_plot(path))


def draw(answer: Answer, path: Path, problem: Trajectory, replay: ArrayLike | None = None) -> None:
    """Write the picture of a plan, whole or not at all."""
    from relu2mip.plots.plan import plot_answer

    with complete(path) as temporary:
        plot_answer(answer, temporary, problem=problem, replay=replay)


def require_plan(answer: Answer) -> None:
    """Raise where the point that the solver returned did not pass the check.

    `NoIncumbent` for a relaxation, of which that was to be expected, else `SolverFailure`.
    """
    check = answer.check
    if not answer.has_plan and not answer.exact:
        raise NoIncumbent(
            f"no plan: {answer.formulation} is a relaxation, and its controls leave the sets (by {check.sets:.1e} of "
            f"their range); the bound {answer.bound:g} holds; for a plan take an exact formulation, such as big-m",
            stop=answer.status,
            bound=answer.bound,
            seconds=answer.seconds,
        )
    if not answer.has_plan:
        raise SolverFailure(
            f"{answer.backend}: the controls of the returned point leave the sets, by {check.sets:.1e} of their range "
            f"(replay error {check.max_error:.1e}, violated rows {check.rows:.1e}, bounds {check.bounds:.1e}, "
            f"integrality {check.integrality:.1e}); try tighter bounds, a shorter horizon or another backend"
        )
