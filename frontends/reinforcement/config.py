"""Read the file of `relu2mip rl`: an experiment as TOML.

    folder = "runs/pendulum"            where runs go, relative to the file
    environment = "Pendulum-v1"         a name of gymnasium
    steps = 20000
    seeds = [0, 1, 2]
    reference = "ofe"                   the arm that ratios of parameters refer to

    [sac]                               the fields of `SacOptions`
    [evaluation]                        the fields of `Evaluation`
    [pruning]                           fields of `Pruning` that the arms share
    [arms.ofe-big]                      the fields of `Arm`, one table for each arm
    [arms.ofe-big.features]             the fields of `Features`
    [arms.prune-a.pruning]              the fields of `Pruning`, over those that are shared

Nothing is guessed: a key that nothing reads is an `UnknownOption`, a value of the wrong type an `InvalidOption`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relu2mip.errors import InvalidOption, UnknownOption
from relu2mip.frontends.reinforcement.experiment import Arm, Evaluation, Experiment, SacOptions
from relu2mip.frontends.reinforcement.ofenet import Features
from relu2mip.frontends.reinforcement.pruning import Pruning
from relu2mip.frontends.sparsify.tables import arguments, build, checked, read

KEYS = {"folder": str, "environment": str, "steps": int, "seeds": tuple[int, ...], "reference": str}
NEEDED = ("folder", "environment", "steps", "arms")
TABLES = ("sac", "evaluation", "pruning", "arms")


def read_experiment(path: str | Path) -> Experiment:
    """The experiment that a file describes; the module's text has its keys.

    Raises `InvalidOption` (not TOML, a missing key, a wrong value) and `UnknownOption` (a key that nothing reads).
    """
    return read(path, _experiment)


def _experiment(tables: dict[str, Any], folder: Path) -> Experiment:
    for key in tables:
        if key not in (*KEYS, *TABLES):
            raise UnknownOption("key", key, (*KEYS, *TABLES))
    for key in NEEDED:
        if key not in tables:
            raise InvalidOption(f"the file has no {key}; it needs {', '.join(NEEDED)}")
    for name in TABLES:
        checked(tables.setdefault(name, {}), Mapping[str, Any], name)
    values: dict[str, Any] = {key: checked(tables[key], hint, key) for key, hint in KEYS.items() if key in tables}
    values["folder"] = folder / values["folder"]
    return Experiment(
        **values,
        sac=build(SacOptions, tables["sac"], "sac", ()),
        evaluation=build(Evaluation, tables["evaluation"], "evaluation", ()),
        arms={name: _arm(table, f"arms.{name}", tables["pruning"]) for name, table in tables["arms"].items()},
    )


def _arm(table: Any, where: str, shared: Mapping[str, Any]) -> Arm:
    table = dict(checked(table, Mapping[str, Any], where))
    parts: dict[str, Any] = {}
    if "features" in table:
        given = checked(table.pop("features"), Mapping[str, Any], f"{where}.features")
        parts["features"] = build(Features, given, f"{where}.features", ())
    arguments(Pruning, shared, "pruning", ())
    if "pruning" in table:
        own = checked(table.pop("pruning"), Mapping[str, Any], f"{where}.pruning")
        parts["pruning"] = build(Pruning, {**shared, **own}, f"{where}.pruning", ())
    return Arm(**parts, **arguments(Arm, table, where, tuple(parts)))
