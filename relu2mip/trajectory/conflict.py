"""Which sets of a problem an irreducible infeasible subset of its program is about, in the words of its user.

    t03.state[1]         theta at step 3             the box of states, by name where states have names
    t10.state[0]         terminal set                at the last step, where there is a terminal box
    t02.lane[0]          constraint 'lane' at step 2
    t00.state[0]         initial state

Rows of the network follow from the others, and boxes that nobody gave come from bounds: they are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from relu2mip.mip import MipModel
from relu2mip.mip.names import Label
from relu2mip.trajectory.sets import Box

if TYPE_CHECKING:
    from relu2mip.trajectory.box_problem import BoxProblem
    from relu2mip.trajectory.problem import Trajectory

MOST = 5
"""Sets that a conflict names: the most telling ones."""


def sets_in(conflict: Sequence[str], model: MipModel, problem: Trajectory | BoxProblem) -> tuple[str, ...]:
    """The sets that rows and columns of a model belong to, the most telling first, at most `MOST`.

    What says nothing of sets is given as it is where there is nothing else.
    """
    labels: dict[str, Label] = {}
    for names in (model.column_names, model.row_names):
        labels.update(zip(names, names.labels, strict=True))
    found: dict[str, tuple[int, int]] = {}
    rest = []
    for name in conflict:
        label = labels.get(name)
        if label is None or label.step is None or label.kind not in _kinds(problem):
            rest.append(name)
        elif label.suffix != ".is" and (said := _set(problem, label.kind, label.step, label.unit)) is not None:
            found.setdefault(said[1], (said[0], label.step))
    chosen = sorted(found, key=lambda name: found[name])[:MOST]
    return tuple(chosen) or tuple(rest[:MOST])


def spoken(text: str, problem: Trajectory | BoxProblem) -> str:
    """A text with the names of states and controls beside their places: `theta at step 3 (t03.state[1])`."""

    def named(match: re.Match[str]) -> str:
        kind, unit = match.group(2), int(match.group(3))
        if getattr(problem, f"{kind}_names", None) is None:
            return match.group(0)
        return f"{_named(problem, kind, unit)} at step {int(match.group(1))} ({match.group(0)})"

    return re.sub(r"t(-?\d+)\.(state|control)\[(\d+)\]", named, text)


def _kinds(problem: Trajectory | BoxProblem) -> set[str]:
    """The names of rows and columns of sets."""
    constraints = getattr(problem, "all_constraints", ())
    choices = getattr(problem, "alternatives", ())
    return {"state", "control", "control_rate", *(part.name for part in (*constraints, *choices))}


def _set(problem: Trajectory | BoxProblem, kind: str, step: int, unit: int) -> tuple[int, str] | None:
    """How telling a set is (the less the more), and what it is called; None for one that nobody gave."""
    horizon = getattr(problem, "horizon", 0)
    if kind == "state":
        if step <= 0:
            return 3, "initial state"
        ends = getattr(problem, "terminal", None)
        ends = ends if isinstance(ends, tuple) else (ends,)
        if step == horizon and any(isinstance(end, Box) for end in ends):
            return 0, "terminal set"
        if getattr(problem, "states", None) is None:
            return None
        return 1, f"{_named(problem, 'state', unit)} at step {step}"
    if kind == "control":
        if step < 0:
            return 4, "previous controls"
        return 4, f"{_named(problem, 'control', unit)} at step {step}"
    if kind == "control_rate":
        return 2, f"control_rate at step {step}"
    if kind.startswith("terminal") and step == horizon:
        return 0, "terminal set"
    return 0, f"constraint {kind!r} at step {step}"


def _named(problem: Trajectory | BoxProblem, kind: str, unit: int) -> str:
    names = getattr(problem, f"{kind}_names", None)
    return f"{kind}s" if names is None else str(names[unit])
