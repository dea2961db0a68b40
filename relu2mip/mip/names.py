"""Readable, deterministic names of columns and rows, spelled out only when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from relu2mip.arrays import Index
from relu2mip.normal_form import Place


@dataclass(frozen=True)
class Label:
    """The parts of a name, so that nobody has to read it: a kind, its step (None: without one), unit and suffix."""

    kind: str
    step: int | None
    unit: int
    suffix: str = ""


@dataclass(frozen=True, eq=False)
class NameBlock:
    """The names `prefix[number]suffix` for each number: `t03.layer2.relu[17].a`.

    With `step`, or `steps`, one a number, each name starts with its step: `t03.cost.state[1]`. With `parts`, one a
    number, it ends with the part of the unit that it is for: `t03.layer2.relu[17].share[2]`.
    """

    prefix: str
    numbers: Index
    suffix: str = ""
    steps: Index | None = None
    digits: int = 2
    parts: Index | None = None
    step: int | None = None

    @classmethod
    def of(cls, place: Place, suffix: str = "") -> NameBlock:
        """The names of the units of a place."""
        return cls(place.layer, place.units, suffix, digits=place.digits, step=place.step)

    @property
    def vector(self) -> str:
        """The name of all of them together, which steps one a number leave out: `t03.layer2.relu.a`, `cost.state`."""
        return f"{self._at(self.step)}{self.prefix}{self.suffix}"

    @property
    def labels(self) -> list[Label]:
        """The parts of each of them."""
        steps = [self.step] * self.numbers.size if self.steps is None else self.steps.tolist()
        pairs = zip(steps, self.numbers.tolist(), strict=True)
        return [Label(self.prefix, step, number, self.suffix) for step, number in pairs]

    @property
    def known_steps(self) -> Index:
        """The step of each of them, -1 where there is none."""
        own = np.full(self.numbers.size, -1 if self.step is None else self.step)
        return own if self.steps is None else self.steps

    def _at(self, step: int | None) -> str:
        return "" if step is None else f"t{step:0{self.digits}d}."

    def spelled(self) -> list[str]:
        """The names as strings."""
        before = f"{self._at(self.step)}{self.prefix}"
        names = [f"{before}[{number}]{self.suffix}" for number in self.numbers.tolist()]
        if self.parts is not None:
            names = [f"{name}[{part}]" for name, part in zip(names, self.parts.tolist(), strict=True)]
        if self.steps is None:
            return names
        return [f"{self._at(t)}{name}" for t, name in zip(self.steps.tolist(), names, strict=True)]


@dataclass(frozen=True, eq=False)
class DerivedBlock:
    """Some of other names, each with a suffix: what a pass adds for a column is `t03.layer2.relu[17].y.nonzero`."""

    names: Sequence[str]
    numbers: Index
    suffix: str

    @property
    def known_steps(self) -> Index:
        """None is known."""
        return np.full(self.numbers.size, -1)

    @property
    def labels(self) -> list[Label]:
        """They say nothing but which name they are derived from."""
        return [Label("", None, number, self.suffix) for number in self.numbers.tolist()]

    def spelled(self) -> list[str]:
        """The names as strings."""
        return [f"{self.names[i]}{self.suffix}" for i in self.numbers.tolist()]


@dataclass(frozen=True, eq=False)
class Names(Sequence[str]):
    """The names of all columns, or all rows, of a model."""

    blocks: tuple[NameBlock | DerivedBlock, ...]
    prefix: str = ""

    @cached_property
    def spelled(self) -> list[str]:
        """Every name, in order."""
        return [self.prefix + name for block in self.blocks for name in block.spelled()]

    @property
    def labels(self) -> list[Label]:
        """The parts of every name, in order."""
        return [label for block in self.blocks for label in block.labels]

    @property
    def known_steps(self) -> Index:
        """The step of every name, -1 where there is none."""
        return np.concatenate([np.zeros(0, dtype=np.intp), *(block.known_steps for block in self.blocks)])

    def within(self, prefix: str) -> Names:
        """The same names with a prefix before each."""
        return Names(self.blocks, prefix + self.prefix)

    def __len__(self) -> int:
        return sum(block.numbers.size for block in self.blocks)

    def __getitem__(self, i: Any) -> Any:
        return self.spelled[i]
