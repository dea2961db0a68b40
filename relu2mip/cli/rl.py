"""`relu2mip rl`: train and prune agents, compare them, and export what they learned."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from relu2mip.cli.arguments import Debug, Json
from relu2mip.cli.console import message, show, show_json, table
from relu2mip.cli.files import check_output, complete

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="An experiment (TOML).", show_default=False)]
Arms = Annotated[list[str] | None, typer.Option("--arm", help="An arm; all by default.", show_default=False)]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="A seed; all by default.", show_default=False)]


def train(
    config: Config,
    arm: Arms = None,
    seed: Seeds = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the runs that the folder holds.", show_default=False)
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard events.", show_default=False)
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train and prune the arms of an experiment, seed by seed; every run is saved as it goes.

    Examples:
      relu2mip rl train config.toml
      relu2mip rl train config.toml --arm ofe-big --arm prune-b --seed 0
      relu2mip rl train config.toml --resume
    """
    from relu2mip.frontends.reinforcement import ProgressBars, read_experiment
    from relu2mip.frontends.reinforcement import train as run

    experiment = read_experiment(config)
    watch = ProgressBars()
    try:
        for name, number in experiment.chosen(tuple(arm or ()), tuple(seed or ())):
            run(experiment, name, number, resume, [watch], tensorboard)
    except KeyboardInterrupt:
        message(f"interrupted; every run is kept as it was saved last: relu2mip rl train {config} --resume goes on")
        raise
    finally:
        watch.close()
    _show(experiment, json)


def report(
    config: Config,
    plot: Annotated[
        Path | None, typer.Option(help="Draw learning curves: .png, .svg, .pdf.", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the score over the last fifth of the steps and the parameters of every arm, with their ratios.

    Examples:
      relu2mip rl report config.toml
      relu2mip rl report config.toml --plot curves.svg
    """
    from relu2mip.frontends.reinforcement import read_experiment
    from relu2mip.frontends.reinforcement.report import draw

    check_output(plot, (".png", ".svg", ".pdf"))
    experiment = read_experiment(config)
    _show(experiment, json)
    if plot is not None:
        with complete(plot) as temporary:
            draw(experiment, temporary)
        message(f"wrote {plot}")


def export(
    config: Config,
    arm: Annotated[str, typer.Option("--arm", help="The arm.", show_default=False)],
    seed: Annotated[int, typer.Option("--seed", help="The seed.")] = 0,
    policy: Annotated[
        Path | None, typer.Option(help="Write the policy on its features: .onnx.", show_default=False)
    ] = None,
    predictor: Annotated[
        Path | None, typer.Option(help="Write the dynamics that it learned: .onnx.", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the policy and the dynamics of an agent as ONNX.

    Examples:
      relu2mip rl export config.toml --arm prune-b --policy policy.onnx --predictor dynamics.onnx
    """
    from relu2mip.errors import InvalidOption
    from relu2mip.frontends.reinforcement import export_policy, export_predictor, load_agent, read_experiment

    if policy is None and predictor is None:
        raise InvalidOption("nothing to export; give --policy, --predictor or both")
    check_output(policy, (".onnx",))
    check_output(predictor, (".onnx",))
    experiment = read_experiment(config)
    experiment.chosen((arm,), (seed,))
    agent = load_agent(experiment, arm, seed)
    written: dict[str, Any] = {}
    for name, path, write in (("policy", policy, export_policy), ("predictor", predictor, export_predictor)):
        if path is not None:
            written[name] = str(write(agent, path))
    if json:
        show_json(written)
    else:
        message(f"wrote {', '.join(written.values())}")


def _show(experiment: Any, json: bool) -> None:
    from relu2mip.frontends.reinforcement.report import report as rows_of

    rows = [asdict(row) for row in rows_of(experiment)]
    if json:
        show_json(rows)
    else:
        names = {"deployed_ratio": "dR", "trained_ratio": "tR", "interval": "±"}
        columns = [names.get(key, key) for key in (rows[0] if rows else {})]
        show(table(columns, [list(row.values()) for row in rows], left=["arm"]))
