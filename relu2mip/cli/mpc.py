"""`relu2mip mpc`: a receding-horizon controller in a closed loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu2mip.cli.arguments import Debug, Json, Problem
from relu2mip.cli.console import message, show, show_json, stderr
from relu2mip.cli.files import check_output, complete
from relu2mip.errors import InvalidProblem, NoIncumbent

if TYPE_CHECKING:
    from rich.table import Table

    from relu2mip.control import Controller, Run

ROWS = 12
"""Last steps that the live table shows."""


def mpc(
    problem: Problem,
    planner: Annotated[
        str | None,
        typer.Option(help='"hybrid", "mip", "mppi", "cem" or "gradient".', show_default=False),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps to run.", show_default=False)] = None,
    period: Annotated[float | None, typer.Option(help="Seconds that a step may take.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the system.", show_default=False)] = None,
    environment: Annotated[
        str | None,
        typer.Option(help="A gymnasium environment, by default the network.", show_default=False),
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help='More planners to run beside it: "mppi,cem".', show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Save the run: .npz.", show_default=False)] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the run: .png, .svg or .pdf.", show_default=False)] = None,
    animate: Annotated[
        Path | None, typer.Option(help="What the environment draws, as a .gif.", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a receding-horizon controller on a system, step by step, each within its period.

    What is not given comes from the problem file's [control] table. Ctrl-C ends the run; what was run so far is printed
    and saved. Runs of more planners are saved and drawn beside the first, under names that end with the planner's.

    Examples:
      relu2mip mpc task.toml --steps 100 --plot run.png
      relu2mip mpc task.toml --planner "mip(backend=gurobi)" --environment CartPole-v1 --compare mppi,cem
    """
    from relu2mip.control.planner import planner as resolved
    from relu2mip.control.settings import Settings
    from relu2mip.trajectory.problem import Trajectory
    from relu2mip.trajectory.read import read
    from relu2mip.trajectory.toml import in_file

    given = {"planner": planner, "steps": steps, "period": period, "seed": seed, "environment": environment}
    described = read(problem)
    if not isinstance(described, Trajectory):
        raise InvalidProblem(f"{problem} is a box problem, which has no steps; give a trajectory")
    settings = Settings.read(problem, given)
    names = [settings.planner, *filter(None, (name.strip() for name in (compare or "").split(",")))]
    for name in names:
        resolved(name)
    _check_outputs(output, plot, animate)
    if animate is not None and settings.environment is None:
        raise InvalidProblem(f"{animate}: only an environment draws itself; name one with --environment")
    with in_file(problem):
        runs = {name: _ran(described, settings, name, pictures=animate is not None) for name in names}
    for number, (name, run) in enumerate(runs.items()):
        for path, write in ((output, run.save), (plot, run.plot), (animate, run.animate)):
            if path is not None:
                _written(path if not number else path.with_stem(f"{path.stem}-{name.partition('(')[0]}"), write)
    if json:
        show_json({name: _facts(run) for name, run in runs.items()})
    else:
        for run in runs.values():
            show(run.summary())
    if not any(len(run) for run in runs.values()):
        raise NoIncumbent("no step was run", stop="interrupted", bound=float("-inf"), seconds=0.0)


def _ran(problem: Any, settings: Any, name: str, pictures: bool) -> Run:
    from relu2mip.control import Controller, simulate

    given = {"safe_control": settings.safe_control, "reference": settings.reference}
    controller = Controller(problem, name, settings.period, **given)
    system, first = settings.system(problem, pictures), settings.first_state(problem)
    with _live(name) as watch:
        return simulate(
            controller, system, settings.steps, settings.seed, initial_state=first, watch=watch, frames=pictures
        )


@contextlib.contextmanager
def _live(name: str) -> Iterator[Callable[[Controller], None] | None]:
    """A table of the last steps on a terminal; nothing in a pipe."""
    console = stderr()
    if not console.is_terminal:
        yield None
        return
    from rich.live import Live

    with Live(console=console, transient=True, refresh_per_second=8) as live:
        yield lambda controller: live.update(_table(name, controller))


def _table(name: str, controller: Controller) -> Table:
    from rich.table import Table

    table = Table(title=f"{name}: step {len(controller.log)}", box=None)
    for column in ("step", "cost", "gap", "nodes", "ms", "error", "from"):
        table.add_column(column, justify="left" if column == "from" else "right")
    for step in controller.log[-ROWS:]:
        gap = "" if step.gap != step.gap else f"{step.gap:.1%}"
        error = "" if step.error != step.error else f"{step.error:.1e}"
        said = f"{step.rung}{' (late)' if step.overrun else ''}{': ' + step.faults[0][:60] if step.faults else ''}"
        table.add_row(
            str(step.number), f"{step.cost:.4g}", gap, str(step.nodes), f"{1e3 * step.seconds:.1f}", error, said
        )
    return table


def _check_outputs(output: Path | None, plot: Path | None, animate: Path | None) -> None:
    check_output(output)
    check_output(animate)
    if output is not None and output.suffix != ".npz":
        raise InvalidProblem(f"{output}: name the run .npz")
    if animate is not None and animate.suffix != ".gif":
        raise InvalidProblem(f"{animate}: name the animation .gif")
    if plot is not None:
        from relu2mip.cli.solve import check_picture

        check_picture(plot)


def _written(path: Path, write: Callable[[Path], Path]) -> None:
    with complete(path) as temporary:
        write(temporary)
    message(f"wrote {path}")


def _facts(run: Run) -> dict[str, Any]:
    return {
        "steps": len(run),
        "planned": run.planned,
        "late": run.overruns,
        "seconds": run.seconds.tolist(),
        "cost": run.cost.tolist(),
        "bound": run.bound.tolist(),
        "rungs": list(run.rungs),
        "faults": list(run.faults),
        "states": run.states.tolist(),
        "controls": run.controls.tolist(),
        "rewards": run.rewards.tolist(),
    }
