"""`relu2mip sparsify` and `relu2mip export`: a family of networks with few ReLUs, and its members as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu2mip.cli.arguments import Debug, Json
from relu2mip.cli.console import message, show, show_json, table
from relu2mip.cli.files import check_output

if TYPE_CHECKING:
    from relu2mip.frontends.sparsify import Member, Watch

Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="Data, network, gates and schedule (TOML).", show_default=False)
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run that the folder holds.", show_default=False)]
TensorBoardFolder = Annotated[
    Path | None, typer.Option("--tensorboard", help="Also write TensorBoard events to a folder.", show_default=False)
]
MemberName = Annotated[
    str | None, typer.Option("--member", help='"full" or "units-N"; the sparsest by default.', show_default=False)
]
Objects = Annotated[int | None, typer.Option(help="Number of objects of an interaction network.", show_default=False)]
Output = Annotated[Path, typer.Option("--output", "-o", help="The ONNX file to write.", show_default=False)]


def sparsify(
    config: Config,
    resume: Resume = False,
    tensorboard: TensorBoardFolder = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a network with gates, leave fewer ReLUs in each round, and save a family of ONNX files.

    Examples:
      relu2mip sparsify config.toml
      relu2mip sparsify config.toml --resume
    """
    from relu2mip.frontends.sparsify import ProgressBars, TensorBoard, train
    from relu2mip.frontends.sparsify.config import read_config

    run = read_config(config)
    watch: list[Watch] = [ProgressBars()]
    if tensorboard is not None:
        watch.append(TensorBoard(tensorboard))
    try:
        family = train(run.network, run.objective, run.schedule, run.family, run.folder, resume, watch)
    except KeyboardInterrupt:
        message(f"interrupted; what is trained so far is kept, go on with: relu2mip sparsify {config} --resume")
        raise
    rows = [_row(member) for member in family]
    if json:
        show_json(rows)
    else:
        errors = list(rows[0]["errors"])
        columns = ["member", "relus", *(f"error, {what}" for what in errors), "file"]
        show(table(columns, [_cells(row) for row in rows], left=["member", "file"]))


def export(
    config: Config,
    output: Output,
    member: MemberName = None,
    objects: Objects = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Export a member of a family that `sparsify` trained, for another number of objects if need be.

    Examples:
      relu2mip export config.toml --member units-16 --output dynamics.onnx
      relu2mip export config.toml --objects 8 --output eight.onnx
    """
    from relu2mip.frontends.sparsify import export as write
    from relu2mip.frontends.sparsify import load_member
    from relu2mip.frontends.sparsify.config import read_config

    check_output(output, (".onnx",))
    run = read_config(config)
    found = load_member(run.network, run.objective, run.family, run.folder, member)
    write(found, run.objective, output, objects)
    if json:
        show_json({**_row(found), "file": str(output)})
    else:
        message(f"wrote {output}: {found.name}, {found.relus} ReLUs")


def _row(member: Member) -> dict[str, Any]:
    return {"member": member.name, "relus": member.relus, "errors": member.errors, "file": str(member.path)}


def _cells(row: dict[str, Any]) -> list[Any]:
    return [row["member"], row["relus"], *row["errors"].values(), row["file"]]
