"""Policy: a strong formulation for some units, a weak one for the rest, chosen unit by unit by stated rules.

A unit is strong where all rules that are given hold:

    fan_in    its pre-activation reads at most so many columns (a maximum: its members together)
    until     its step is below this one
    width     its bounds are at least so far apart, u - l >= width (a maximum: max u - max l)

so that copies of inputs are paid for where they are few, or where they matter. A strong unit is written by `strong`,
any other by `weak`, each as its own page says. A rule of 0 always holds; without any rule, every unit is strong.

Columns, binaries, rows and nonzeros are those of the two formulations. Exact, since both have to be. The relaxation is
as tight as the weaker of them, and no tighter than the stronger.

Source: relu2mip's own. That an extended formulation pays only for units of few inputs is in Anderson, Huchette, Ma,
Tjandraatmadja, Vielma, "Strong mixed-integer programming formulations for trained neural networks" (Mathematical
Programming, 2020); measured in docs/formulations/policy.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from relu2mip.accept import shown
from relu2mip.arrays import Array, Index, Mask
from relu2mip.errors import InvalidOption, UnknownOption
from relu2mip.formulations.encode import Formulation
from relu2mip.mip import Expression, ModelBuilder
from relu2mip.normal_form import Place
from relu2mip.options import Part, settle
from relu2mip.registry import formulations

Write = Callable[[Formulation, Index, Place], Index]


@dataclass(frozen=True)
class Policy(Part):
    """A strong formulation for units of few inputs, in early steps, or with wide bounds; a weak one for the rest.

    strong, weak: names of exact formulations, with their default options, or formulations.
    fan_in: most columns a strong unit reads.  until: first step without strong units.  width: least width of a strong
    unit's bounds.  0: no such rule.
    """

    strong: str | Formulation = "convex-hull"
    weak: str | Formulation = "big-m"
    fan_in: int = 4
    until: int = 0
    width: float = 0.0
    name: ClassVar[str] = "policy"
    exact: ClassVar[bool] = True

    def __post_init__(self) -> None:
        settle(self)
        if self.fan_in < 0 or self.until < 0 or not self.width >= 0:
            raise InvalidOption("policy: fan_in, until and width must be at least 0")
        for role, spec in (("strong", self.strong), ("weak", self.weak)):
            if isinstance(spec, str) and spec not in formulations:
                raise UnknownOption(f"formulation of policy, {role}:", spec, formulations)
            if isinstance(spec, type) or not (isinstance(spec, str) or hasattr(spec, "relu")):
                raise InvalidOption(f"policy: {role} is {shown(spec)}; give a formulation, or the name of one")
            if not (chosen := _resolved(spec)).exact:
                raise InvalidOption(f"policy: {role} is {chosen}, a relaxation; give an exact formulation")

    @property
    def _strong(self) -> Formulation:
        return _resolved(self.strong)

    @property
    def _weak(self) -> Formulation:
        return _resolved(self.weak)

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""

        def write(chosen: Formulation, units: Index, where: Place) -> Index:
            return chosen.relu(model, x.select(units), lower[units], upper[units], where)

        inputs = np.diff(x.matrix(model.size[0]).indptr)
        return self._write(model, place, self._is_strong(inputs, upper - lower, place), write)

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, each with its bounds."""
        sizes = np.diff(starts)

        def write(chosen: Formulation, units: Index, where: Place) -> Index:
            members = np.flatnonzero(np.isin(np.repeat(np.arange(sizes.size), sizes), units))
            ends = np.concatenate([[0], np.cumsum(sizes[units])])
            return chosen.max(model, x.select(members), ends, lower[members], upper[members], where)

        inputs = np.add.reduceat(np.diff(x.matrix(model.size[0]).indptr), starts[:-1])
        width = np.maximum.reduceat(upper, starts[:-1]) - np.maximum.reduceat(lower, starts[:-1])
        return self._write(model, place, self._is_strong(inputs, width, place), write)

    def _is_strong(self, inputs: Index, width: Array, place: Place) -> Mask:
        if self.until and place.step is None:
            raise InvalidOption(f"policy: until={self.until} counts steps, and {place.prefix} belongs to none")
        early = not self.until or (place.step or 0) < self.until
        few = inputs <= self.fan_in if self.fan_in else np.ones(inputs.size, dtype=bool)
        return np.asarray(few & (width >= self.width) & early)

    def _write(self, model: ModelBuilder, place: Place, strong: Mask, write: Write) -> Index:
        """Both groups of units, and their columns in the order of the units."""
        if strong.all() or not strong.any():
            return write(self._strong if strong.all() else self._weak, np.arange(strong.size), place)
        order = np.concatenate([np.flatnonzero(strong), np.flatnonzero(~strong)])
        groups = (self._strong, np.flatnonzero(strong)), (self._weak, np.flatnonzero(~strong))
        columns = np.empty(strong.size, dtype=np.intp)
        added: list[dict[str, Index]] = []
        for chosen, units in groups:
            before = {name: known.size for name, known in model.values.items()}
            columns[units] = write(chosen, units, place.select(units))
            now = {name: known[before.get(name, 0) :] for name, known in model.values.items()}
            added.append({name: new for name, new in now.items() if new.size == units.size})
        for name in added[0].keys() & added[1].keys():
            in_order = np.empty_like(columns)
            in_order[order] = np.concatenate([part[name] for part in added])
            model.values[name] = in_order
        return columns


def _resolved(spec: str | Formulation) -> Formulation:
    return formulations[spec]() if isinstance(spec, str) else spec
