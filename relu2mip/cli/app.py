"""The program: its commands, and how errors become one message and an exit code."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from relu2mip import __version__
from relu2mip.cli.analyze import analyze
from relu2mip.cli.arguments import DEBUG
from relu2mip.cli.bounds import bounds
from relu2mip.cli.check import check
from relu2mip.cli.compile import compile_
from relu2mip.cli.console import message
from relu2mip.cli.demo import demo
from relu2mip.cli.info import info
from relu2mip.cli.list import list_
from relu2mip.cli.mpc import mpc
from relu2mip.cli.rl import export as rl_export
from relu2mip.cli.rl import report as rl_report
from relu2mip.cli.rl import train as rl_train
from relu2mip.cli.solve import solve
from relu2mip.cli.sparsify import export, sparsify
from relu2mip.cli.study import study
from relu2mip.cli.study_report import report
from relu2mip.cli.study_status import status
from relu2mip.cli.verify import verify
from relu2mip.errors import (
    BackendUnavailable,
    CapabilityMissing,
    ContradictoryBounds,
    InfeasibleProblem,
    NoIncumbent,
    OutOfTime,
    Relu2MipError,
    SolverFailure,
    UnboundedProblem,
)

EXIT_CODES: dict[tuple[type[Exception], ...], int] = {
    (InfeasibleProblem, UnboundedProblem, NoIncumbent, OutOfTime): 3,
    (BackendUnavailable, CapabilityMissing, ContradictoryBounds, SolverFailure): 4,
}


INTERRUPTED = 130
"""After Ctrl-C, where there is nothing to show for it."""


def exit_code(error: Exception) -> int:
    """The code that a command ends with after an error; `relu2mip --help` has the table."""
    if isinstance(error, NoIncumbent) and error.stop == "interrupted":
        return INTERRUPTED
    return next((code for errors, code in EXIT_CODES.items() if isinstance(error, errors)), 1)


class Commands(TyperGroup):
    """The commands; an error of relu2mip or of the file system is printed as one message, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (Relu2MipError, OSError) as error:
            if ctx.meta.get(DEBUG):
                traceback.print_exc(file=sys.stderr)
            else:
                message(f"error: {error}")
            raise typer.Exit(exit_code(error)) from error


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


def _version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def relu2mip(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.", show_default=False)
    ] = False,
) -> None:
    """Compile piecewise-linear networks to mixed-integer programs, and plan through them.

    Exit codes:
      0  done
      1  an error in what was given: network, problem, option's value, file
      2  wrong usage of the command line
      3  no plan: infeasible, unbounded, or none found within the limits
      4  the backend is unavailable, cannot take the model, or failed
      130  interrupted before there was a plan; with a plan, Ctrl-C is 0

    Examples:
      relu2mip check dynamics.onnx
      relu2mip solve problem.toml --backend highs --plot plan.png
      relu2mip compile problem.toml --output plan.mps
    """


COMMANDS: dict[str, Callable[..., None]] = {
    "check": check,
    "info": info,
    "bounds": bounds,
    "compile": compile_,
    "solve": solve,
    "verify": verify,
    "mpc": mpc,
    "study": study,
    "status": status,
    "report": report,
    "analyze": analyze,
    "sparsify": sparsify,
    "export": export,
    "list": list_,
    "demo": demo,
}
RL: dict[str, Callable[..., None]] = {"train": rl_train, "report": rl_report, "export": rl_export}
"""The commands of `relu2mip rl`."""

rl = typer.Typer(no_args_is_help=True)
for _program, _commands in ((app, COMMANDS), (rl, RL)):
    for _name, _command in _commands.items():
        # Help texts are read as rich markup, in which the [tables] of TOML would be tags.
        _program.command(_name, help=escape(inspect.getdoc(_command) or ""))(_command)
app.add_typer(rl, name="rl", help="Train and prune agents by reinforcement learning, and export what they learned.")
