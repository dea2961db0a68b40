"""A problem's network as one normal form: unrolled over the horizon, with the boxes its sets give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relu2mip.arrays import Array
from relu2mip.normal_form import NormalForm

if TYPE_CHECKING:
    from relu2mip.mip import Expression, ModelBuilder
    from relu2mip.trajectory.objective import Objective
    from relu2mip.unrolled.premises import Premises


@dataclass(frozen=True, eq=False)
class Unrolled:
    """What bounds and formulations work on.

    form: the normal form over the whole horizon, its outputs the named vectors of the problem ("state@3").
    domain: the box of each input and of each state, by value.
    step: the normal form of one step (for a network over a box: `form` itself).
    step_value: for the values of `form` that are copies of a value of `step`, which one.
    step_inputs: turns named arrays of samples into inputs of `step`.
    objective: makes what a search for plans evaluates: cost, violation and their gradients.
    write: writes the problem's own rows and its objective on a model, given expressions for the outputs of `form`.
    premises: what bounds on it rest on; None: nobody knows, so they are neither saved nor reused.
    """

    form: NormalForm
    domain: Mapping[int, tuple[Array, Array]]
    step: NormalForm
    step_value: Mapping[int, int]
    step_inputs: Callable[[Mapping[str, Array]], Mapping[str, Array]]
    write: Callable[[ModelBuilder, Mapping[str, Expression]], None]
    objective: Callable[[], Objective]
    premises: Callable[[Unrolled], Premises] | None = None
