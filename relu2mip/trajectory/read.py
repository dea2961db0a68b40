"""Read a problem file, whichever kind of problem it describes."""

from __future__ import annotations

from pathlib import Path

from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.problem import Trajectory
from relu2mip.trajectory.toml import fields_of, in_file, kind_of, tables


def read(path: str | Path) -> Trajectory | BoxProblem:
    """The problem that a file describes; paths in it are relative to the file.

    Raises `InvalidProblem` (not TOML, a missing file, a wrong type, parts that do not fit), `UnknownOption` (a key or
    name that nothing reads), and what `relu2mip.load` raises for its networks.
    """
    with in_file(path):
        data, folder = tables(path), Path(path).parent
        given = fields_of(data, folder)
        return Trajectory.described(given) if kind_of(data, folder) == "Trajectory" else BoxProblem(**given)
