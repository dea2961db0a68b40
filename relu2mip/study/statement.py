"""A problem as the tables of a problem file: plain data that travels, with the files it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.ir.lower import lower
from relu2mip.normal_form import Relu
from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.problem import Trajectory
from relu2mip.trajectory.toml import fields_of, kind_of


@dataclass(frozen=True, eq=False)
class Described:
    """A problem that was read, and its statement: the tables that it was read from, paths made absolute.

    problem_name, network, cost: what the study calls them.  initial_state: the number of it.
    """

    problem: Trajectory | BoxProblem
    statement: Mapping[str, Any]
    folder: str
    problem_name: str
    network: str
    cost: str
    initial_state: int = 0

    @property
    def horizon(self) -> int:
        """Steps, 0 for a box problem."""
        return self.problem.horizon if isinstance(self.problem, Trajectory) else 0

    @property
    def relus(self) -> int:
        """ReLUs of the network, stable ones included."""
        return _relus(self.problem.net)

    @property
    def files(self) -> dict[str, str]:
        """The digest of each file that the statement names."""
        return {path: digest_of_file(path) for path in _files(self.statement)}


def described(data: dict[str, Any], folder: Path, name: str, network: str, cost: str) -> Described:
    """Read a problem from its tables."""
    statement = _absolute(data, folder.resolve())
    return Described(stated(statement, folder), statement, str(folder.resolve()), name, network, cost)


def stated(statement: Mapping[str, Any], folder: str | Path) -> Trajectory | BoxProblem:
    """The problem that a statement describes; its [solve] table is left to the study."""
    data = {key: value for key, value in statement.items() if key != "solve"}
    given = fields_of(data, Path(folder))
    return Trajectory.described(given) if kind_of(data, Path(folder)) == "Trajectory" else BoxProblem(**given)


@cache
def digest_of_file(path: str) -> str:
    """A hash of a file's contents; raises `InvalidProblem` where it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:20]
    except OSError as error:
        raise InvalidProblem(f"cannot read {path}: {error.strerror}") from error


_FILE_KEYS = frozenset({"network", "networks", "path"})


def _absolute(value: Any, folder: Path, key: str = "") -> Any:
    """The same tables with absolute paths; the [solve] table is dropped."""
    if isinstance(value, Mapping):
        return {name: _absolute(entry, folder, name) for name, entry in value.items() if name != "solve"}
    if isinstance(value, list | tuple):
        return [_absolute(entry, folder, key) for entry in value]
    return str(folder / value) if key in _FILE_KEYS and isinstance(value, str) else value


def _files(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _files(entry, name)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _files(entry, key)
    elif key in _FILE_KEYS and isinstance(value, str):
        yield value


def _relus(net: Graph) -> int:
    found = _counted.get(id(net))
    if found is None or found[0] is not net:
        count = sum(value.size for value in lower(net).values if isinstance(value, Relu))
        _counted[id(net)] = found = (net, count)
    return found[1]


_counted: dict[int, tuple[Graph, int]] = {}
