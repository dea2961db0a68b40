"""A trial: one instance, one arm, one seed; plain data with a key of all that decides its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from relu2mip.errors import InvalidOption
from relu2mip.options import settle


@dataclass(frozen=True)
class Arm:
    """What is compared: a way to compile and solve, or a planner, or another tool.

    bounds, formulation, backend, planner: specifications as everywhere else.  tool: the name of another tool
    (`relu2mip.study.peers`).  options: those fields of `SolveOptions` that are no axes of their own.  files: the digest
    of each file that `bounds` names.
    """

    bounds: str = ""
    formulation: str = ""
    backend: str = ""
    planner: str = ""
    tool: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def axes(self) -> dict[str, str]:
        """The value on each axis, as text; "" where the axis does not apply."""
        options = ", ".join(f"{name}={_shown(value)}" for name, value in self.options.items())
        return {**{name: getattr(self, name) for name in AXES[:-1]}, "options": options}

    def __str__(self) -> str:
        """All that is said of it.

        >>> str(Arm("crown", "big-m", "highs", options={"presolve": False}))
        'crown · big-m · highs · presolve=false'
        """
        return " · ".join(filter(None, self.axes.values()))


AXES = ("bounds", "formulation", "backend", "planner", "tool", "options")
"""The axes of arms."""


@dataclass(frozen=True)
class Instance:
    """What an arm is tried on.

    network, problem, cost: names.  horizon: steps, 0 for a box problem.  initial_state: the number of it.
    time_limit: seconds.  relus: ReLUs a step, stable ones included.  statement: the tables of a problem file, with all
    choices made; paths are absolute.  folder: what other paths in it are relative to.  files: the digest of each file.
    """

    network: str
    problem: str
    horizon: int
    initial_state: int
    cost: str
    time_limit: float
    relus: int
    statement: Mapping[str, Any]
    folder: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        """Its names, in a line."""
        return f"{self.group}, {self.time_limit:g} s"

    @property
    def group(self) -> str:
        """The problem that is solved, whatever the time limit."""
        parts = [self.problem, self.network]
        parts += [f"H={self.horizon}", f"state {self.initial_state}"] if self.horizon else []
        return ", ".join(filter(None, [*parts, self.cost]))

    @cached_property
    def digest(self) -> str:
        """A hash of all that decides what the problem is: contents of files, not their places."""

        def content(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {key: content(entry) for key, entry in value.items()}
            if isinstance(value, list | tuple):
                return [content(entry) for entry in value]
            return self.files.get(value, value) if isinstance(value, str) else value

        return digest_of([content(self.statement), self.time_limit])

    @cached_property
    def identity(self) -> str:
        """A hash of what the problem is and what it is called."""
        return digest_of([self.digest, str(self)])


@dataclass(frozen=True)
class Limits:
    """The limits of every trial.

    threads: of solver and linear algebra.  memory: bytes; more ends the trial.  grace: seconds beyond the time limit,
    twice of it besides, after which the trial is killed.  quality: whether the linear relaxation is solved, too, for
    root bound and condition; not in the time that counts.
    """

    threads: int = 1
    memory: float = 4e9
    grace: float = 30.0
    quality: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", _bytes(self.memory))
        settle(self)
        if self.threads < 1 or not self.grace >= 1 or self.memory < LEAST_MEMORY:
            raise InvalidOption(
                f"limits: threads is {self.threads}, grace {self.grace:g} s, memory {self.memory:g} bytes; give at "
                f"least 1, 1 s and {LEAST_MEMORY:g}"
            )


LEAST_MEMORY = 3e8
"""Bytes: what the imports of a trial take, and a little."""


@dataclass(frozen=True)
class Trial:
    """One solve of a study. folder: what paths in the specification of bounds are relative to."""

    instance: Instance
    arm: Arm
    seed: int
    limits: Limits
    folder: str = "."

    @cached_property
    def key(self) -> str:
        """A hash of all that decides the result."""
        limits = {name: value for name, value in asdict(self.limits).items() if name != "quality"}
        return digest_of([self.instance.digest, asdict(self.arm), self.seed, limits])

    def __str__(self) -> str:
        """In a line."""
        return f"{self.arm} on {self.instance}, seed {self.seed}"

    @property
    def wall(self) -> float:
        """Seconds after which the trial is killed."""
        return 3 * self.instance.time_limit + self.limits.grace

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "instance": asdict(self.instance),
            "arm": asdict(self.arm),
            "seed": self.seed,
            "limits": asdict(self.limits),
            "folder": self.folder,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Trial:
        """The inverse of `to_dict`."""
        return cls(
            Instance(**data["instance"]), Arm(**data["arm"]), data["seed"], Limits(**data["limits"]), data["folder"]
        )


def digest_of(value: Any) -> str:
    """A short hash of plain values.

    >>> digest_of({"a": 1}) == digest_of({"a": 1}), len(digest_of([]))
    (True, 20)
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


def _bytes(value: Any) -> Any:
    """Bytes from a number or a text such as "4GB"."""
    if isinstance(value, str) and (unit := value.strip()[-2:]) in _UNITS:
        try:
            return float(value.strip()[:-2]) * _UNITS[unit]
        except ValueError:
            raise InvalidOption(f'limits: memory is {value!r}; give bytes, or a text such as "4GB"') from None
    return value


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
