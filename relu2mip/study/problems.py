"""The problems of a study: a problem file, or its tables, at several horizons, initial states and costs."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.accept import accept, mapping, names, numbers, optional, several, whole
from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.options import build
from relu2mip.study.statement import Described, described
from relu2mip.trajectory.covered import require_free
from relu2mip.trajectory.problem import Trajectory
from relu2mip.trajectory.sets import Box
from relu2mip.trajectory.toml import in_file, tables


@dataclass(frozen=True)
class States:
    """Initial states: given `values`, or `count` points drawn with `seed`, each entry alike between lower and upper.

    Without lower and upper, they are drawn in the problem's own box of initial states.
    """

    values: Any = None
    count: int = 0
    seed: int = 0
    lower: Any = None
    upper: Any = None

    def __post_init__(self) -> None:
        accept(self, values=optional(numbers), lower=optional(numbers), upper=optional(numbers), count=whole(0))
        if (self.values is None) == (self.count == 0) or (self.lower is None) != (self.upper is None):
            raise InvalidOption("initial_states: give either values, or count with seed and maybe lower and upper")

    def of(self, problem: Trajectory) -> list[list[Any]]:
        """The states for a problem, each (n,) or with a window (k, n)."""
        if self.values is not None:
            return [state.tolist() for state in np.atleast_2d(self.values)]
        box = problem.initial_limits if self.lower is None else (self.lower, self.upper)
        low, high = Box(*box).limits("initial_states", problem.window, problem.n, 1 - problem.window, finite=True)
        if not (low < high).any():
            raise InvalidOption("initial_states: there is nothing to draw from; give lower and upper")
        drawn = np.random.default_rng(self.seed).uniform(low, high, (self.count, *low.shape))
        return [(state[0] if problem.window == 1 else state).tolist() for state in drawn]


@dataclass(frozen=True)
class Problem:
    """What every network of the study is asked.

    file: a problem file, or tables: what one would hold; its network is replaced by each of the study's.
    name: by default the file's.  networks: names of groups of networks, by default all.  horizons, initial_states,
    costs: each of these in turn, by default the problem's own; a cost is a list of the tables of [[costs]], by name.
    set: other keys of the problem file in place of what it says.
    """

    file: str = ""
    tables: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    networks: Sequence[str] = ()
    horizons: Sequence[int] = ()
    initial_states: States | Mapping[str, Any] | None = None
    costs: Mapping[str, Any] = field(default_factory=dict)
    set: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        accept(self, networks=names, horizons=several(whole(1), int), costs=mapping, set=mapping, tables=mapping)
        if bool(self.file) == bool(self.tables):
            raise InvalidOption(f"problem {self.name!r}: give a file or tables")
        if isinstance(self.initial_states, Mapping):
            object.__setattr__(self, "initial_states", build(States, self.initial_states, "initial_states:"))
        if not self.name:
            object.__setattr__(self, "name", Path(self.file).stem if self.file else "problem")

    def statements(self, folder: Path, networks: Mapping[str, Path]) -> Iterator[Described]:
        """Every problem that this stands for, checked; paths are relative to `folder`.

        networks: by name; empty where the problem's own network is taken.
        Raises what reading a problem file raises, naming this problem.
        """
        path = Path(folder) / self.file
        with in_file(path if self.file else f"problem {self.name!r}"):
            base = tables(path) if self.file else copy.deepcopy(dict(self.tables))
            base.pop("control", None)
            base |= self.set
            yield from self._stated(base, path.parent if self.file else Path(folder), networks)

    def _stated(self, base: dict[str, Any], folder: Path, networks: Mapping[str, Path]) -> Iterator[Described]:
        if ("horizon" in base or self.horizons) and "objective" in base:
            raise InvalidProblem("horizons are given for a box problem, which has no steps; leave them out")
        own = {Path(base["network"]).stem: folder / base["network"]} if "network" in base else {}
        if not (networks or own):
            raise InvalidProblem("there is no network; give the study [[networks]], or the problem one of its own")
        for network, file in (networks or own).items():
            for horizon in self.horizons or [base.get("horizon", 0)]:
                for cost, terms in (self.costs or {"": base.get("costs")}).items():
                    changed: dict[str, Any] = {"network": str(file)}
                    changed |= {"horizon": horizon} if horizon else {}
                    changed |= {"costs": terms} if terms is not None else {}
                    one = described({**base, **changed}, folder, self.name, network, cost)
                    yield from self._from_states(one)

    def _from_states(self, one: Described) -> Iterator[Described]:
        if self.initial_states is None:
            yield one
            return
        if not isinstance(one.problem, Trajectory):
            raise InvalidProblem("initial_states are given for a box problem, which has none; leave them out")
        assert isinstance(self.initial_states, States)
        for number, state in enumerate(self.initial_states.of(one.problem)):
            problem = replace(one.problem, initial_state=np.array(state))
            require_free(problem)
            statement = {**one.statement, "initial_state": state}
            yield replace(one, problem=problem, statement=statement, initial_state=number)
