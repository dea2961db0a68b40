"""`relu2mip demo`: the CartPole example, planned through the learned model and replayed in the simulator.

Or a closed loop of a contact task: see `demo_task`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import relu2mip
from relu2mip.cli.arguments import Debug, Json
from relu2mip.cli.console import message, progress, show, show_json
from relu2mip.cli.demo_task import demo_task
from relu2mip.cli.report import plan_table, summary
from relu2mip.cli.solve import check_picture, draw, require_plan, solved
from relu2mip.errors import Relu2MipError

CHECKOUT = Path(relu2mip.__file__).parents[1]


class Demo(StrEnum):
    """What is shown."""

    CARTPOLE = "cartpole"
    PUSH = "push"
    ROPE = "rope"
    SORT = "sort"


def demo(
    what: Annotated[Demo, typer.Argument(help="What to show.")] = Demo.CARTPOLE,
    example: Annotated[
        Path | None,
        typer.Option(help="The folder examples/cartpole of a checkout; for a task, examples.", show_default=False),
    ] = None,
    backend: Annotated[str, typer.Option(help="Backend to solve with.")] = "highs",
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Picture to write: .png, .svg or .pdf, cartpole.png by default; for a task .gif.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Episode of a task.", min=0)] = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Plan a swing of a learned CartPole back to upright and replay it in gymnasium's CartPole-v1.

    With push, rope or sort: a closed loop of that task in its simulator, planned with a model of few ReLUs, as an
    animation. The problem, the networks and the simulators are the files of examples/. An installation from a
    checkout in editable mode, as `make demo` makes it, finds them; any other is told where they are with --example.

    Examples:
      relu2mip demo
      relu2mip demo push --plot push.gif
      relu2mip demo --example examples/cartpole --plot swing.svg
    """
    from relu2mip.trajectory.problem import Trajectory

    if what is not Demo.CARTPOLE:
        demo_task(what, example or CHECKOUT / "examples", backend, plot, seed, json)
        return
    folder, plot = _folder(example), plot or Path("cartpole.png")
    check_picture(plot)
    replay = _replay(folder)
    problem = Trajectory.from_toml(folder / "problem.toml")
    answer = solved(problem, backend)
    require_plan(answer)
    assert answer.states is not None
    with progress("simulating"):
        simulated = replay(answer.states[0], answer.controls)
    draw(answer, plot, problem, simulated)
    if json:
        show_json({**answer.to_dict(), "simulated": simulated.tolist(), "plot": str(plot)})
    else:
        difference = abs(simulated - answer.states).max()
        show(
            plan_table(answer, simulated),
            summary(answer),
            f"simulated  largest difference from the plan {difference:.2g}",
        )
    message(f"wrote {plot}")


def _folder(example: Path | None) -> Path:
    folder = example or CHECKOUT / "examples" / "cartpole"
    missing = [name for name in ("problem.toml", "replay.py") if not (folder / name).is_file()]
    if missing:
        what = f"there is no {missing[0]} in {example}" if example else "this installation has no examples/cartpole"
        raise Relu2MipError(
            f"{what}; it comes with a checkout of relu2mip: run `make demo` there, or name the folder with "
            "--example examples/cartpole"
        )
    return folder


def _replay(folder: Path) -> Callable[..., Any]:
    """The function `replay` of the example's script."""
    if importlib.util.find_spec("gymnasium") is None:
        raise Relu2MipError('the demo simulates with gymnasium: install it with pip install "relu2mip[demo]"')
    spec = importlib.util.spec_from_file_location("relu2mip_cartpole_replay", folder / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.replay
    return found
