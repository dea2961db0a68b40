"""Read the file of `relu2mip sparsify`: data, network, gates and schedule as TOML.

    folder = "runs/cartpole"            where checkpoints and ONNX files go, relative to the file
    seed = 0                            of the split, the first weights, minibatches and gates

    [data]                              file = "transitions.npz", or environment = "CartPole-v1" and transitions = 20000
    [data.motion]                       states = ["key_0", "key_1"] and tolerance = 0.1: which rows move
    [data.facing]                       heading = ["key_0", "key_1"] and steps = 10: turned to a direction, see `facing`
    [objective]                         the fields of `Simulation` or `Regression`
    [objective.coordinates]             the fields of `Coordinates`
    [network]                           kind = "mlp", "densenet", "interaction" or "contact", and its options
    [gates]                             family = "gumbel", and its options
    [schedule]                          the fields of `Schedule`

Nothing is guessed: a key that nothing reads is an `UnknownOption`, a value of the wrong type an `InvalidOption`; both
name the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from relu2mip.errors import InvalidData, InvalidOption, UnknownOption
from relu2mip.frontends.sparsify.data import Samples, Transitions
from relu2mip.frontends.sparsify.data_file import load_data
from relu2mip.frontends.sparsify.environments import collect
from relu2mip.frontends.sparsify.gates import GateFamily, families
from relu2mip.frontends.sparsify.networks.contact import contact
from relu2mip.frontends.sparsify.networks.densenet import densenet
from relu2mip.frontends.sparsify.networks.interaction import interaction
from relu2mip.frontends.sparsify.networks.mlp import mlp
from relu2mip.frontends.sparsify.objective import Objective
from relu2mip.frontends.sparsify.regression import Regression
from relu2mip.frontends.sparsify.schedule import Schedule
from relu2mip.frontends.sparsify.simulation import Simulation
from relu2mip.frontends.sparsify.tables import arguments, build, checked, read

T = TypeVar("T")

NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "densenet": densenet,
    "interaction": interaction,
    "contact": contact,
}
TABLES = ("data", "objective", "network", "gates", "schedule")
CHANGES = {"motion": "with_motion", "facing": "facing"}
"""Tables of [data], and what of `Transitions` they call, in this order."""
NAMES = ("state_names", "control_names", "input_names", "output_names")


@dataclass(frozen=True, eq=False)
class Config:
    """The wishes of a file: the arguments of `train`."""

    network: nn.Module
    objective: Objective
    schedule: Schedule
    family: GateFamily
    folder: Path


def read_config(path: str | Path) -> Config:
    """The run that a file describes; the module's text has its keys.

    Raises `InvalidOption` (not TOML, a missing key, a wrong value), `UnknownOption` (a key or name that nothing reads),
    and what reading the data raises.
    """
    return read(path, _config)


def _config(tables: dict[str, Any], folder: Path) -> Config:
    for key in tables:
        if key not in ("folder", "seed", *TABLES):
            raise UnknownOption("key", key, ("folder", "seed", *TABLES))
    for key in ("folder", "data"):
        if key not in tables:
            raise InvalidOption(f"the file has no {key}; it needs folder and [data]")
    for name in TABLES:
        if not isinstance(tables.setdefault(name, {}), dict):
            raise InvalidOption(f"{name} is {tables[name]!r}; give a table, [{name}]")
    seed, where = checked(tables.get("seed", 0), int, "seed"), checked(tables["folder"], str, "folder")
    schedule = replace(build(Schedule, tables["schedule"], "schedule", ("seed",)), seed=seed)
    family = _chosen(tables["gates"], "gates", "family", "gumbel", families)
    _chosen(tables["network"], "network", "kind", "mlp", NETWORKS, check_only=True)
    data = _data(dict(tables["data"]), folder, seed)
    kind: type[Objective] = Simulation if isinstance(data, Transitions) else Regression
    objective = build(kind, tables["objective"], "objective", ("data", "seed", "device"), data=data, seed=seed)
    network = _chosen(tables["network"], "network", "kind", "mlp", NETWORKS, objective=objective, seed=seed)
    return Config(network, objective, schedule, family, folder / where)


def _data(table: dict[str, Any], folder: Path, seed: int) -> Transitions | Samples:
    names = {key: checked(table.pop(key), Sequence[str], f"data.{key}") for key in NAMES if key in table}
    changes = {key: table.pop(key) for key in CHANGES if key in table}
    for key in table:
        if key not in ("file", "environment", "transitions"):
            raise UnknownOption("key in [data]:", key, ("file", "environment", "transitions", *CHANGES, *NAMES))
    data = _loaded(table, folder, seed, names)
    for key, options in changes.items():
        where = f"data.{key}"
        if not isinstance(data, Transitions):
            raise InvalidOption(f"[{where}] is for transitions, and the file has samples of a function; leave it out")
        data = build(getattr(data, CHANGES[key]), checked(options, Mapping[str, Any], where), where, ())
    return data


def _loaded(table: dict[str, Any], folder: Path, seed: int, names: dict[str, Any]) -> Transitions | Samples:
    if ("file" in table) == ("environment" in table):
        raise InvalidOption("[data] needs file, or environment and transitions, and not both")
    if "file" not in table:
        if "transitions" not in table:
            raise InvalidOption("[data] has no transitions; say how many to collect in the environment")
        number = checked(table["transitions"], int, "data.transitions")
        return collect(checked(table["environment"], str, "data.environment"), number, seed, **names)
    if "transitions" in table:
        raise InvalidOption("data.transitions is for an environment; leave it out beside file")
    path = folder / checked(table["file"], str, "data.file")
    if not path.is_file():
        raise InvalidData(f"data.file: there is no file {path}; paths are relative to the configuration")
    return load_data(path, **names)


def _chosen(
    table: Mapping[str, Any],
    where: str,
    key: str,
    default: str,
    parts: Mapping[str, Callable[..., Any]],
    check_only: bool = False,
    **given: Any,
) -> Any:
    """The part that `key` of a table names, made with the other options of the table."""
    name = checked(table.get(key, default), str, f"{where}.{key}")
    if name not in parts:
        raise UnknownOption(f"{key} in [{where}]:", name, parts)
    options = {option: value for option, value in table.items() if option != key}
    make = _check_only if check_only else build
    return make(parts[name], options, where, ("objective", "seed") if where == "network" else (), **given)


def _check_only(make: Callable[..., T], table: Mapping[str, Any], where: str, hidden: Sequence[str]) -> None:
    arguments(make, table, where, hidden)
