"""Rules that leave trials out of a study, by the values of their axes."""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from relu2mip.errors import InvalidOption, UnknownOption
from relu2mip.study.trial import AXES, Trial

INSTANCE = ("network", "problem", "horizon", "initial_state", "cost", "time_limit", "relus")
"""The axes of instances."""

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {"<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge}


def facts(trial: Trial) -> dict[str, Any]:
    """What rules speak of: a trial's value on each axis."""
    return {**{name: getattr(trial.instance, name) for name in INSTANCE}, **trial.arm.axes, "seed": trial.seed}


def check(rules: Sequence[Mapping[str, Any]]) -> None:
    """Raise `UnknownOption` for an axis that there is not, `InvalidOption` for a rule that excludes everything."""
    for k, rule in enumerate(rules):
        for axis in rule:
            if axis not in (*INSTANCE, *AXES, "seed"):
                raise UnknownOption(f"axis in exclude[{k}]:", axis, (*INSTANCE, *AXES, "seed"))
        if not rule:
            raise InvalidOption(f"exclude[{k}] is empty, and would exclude everything; name an axis")


def excludes(rule: Mapping[str, Any], trial: Trial) -> bool:
    """Whether a rule holds: every axis that it names has its value, or one of its list.

    A text may hold `*`; a number may come with a comparison, `">= 20"`. An axis that does not apply has no value.
    """
    known = facts(trial)
    return all(
        any(_is(known[axis], one) for one in (wanted if isinstance(wanted, list | tuple) else [wanted]))
        for axis, wanted in rule.items()
    )


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(value, int | float) and isinstance(wanted, str):
        sign, _, number = wanted.partition(" ")
        try:
            return bool(COMPARISONS[sign](value, float(number)))
        except (KeyError, ValueError):
            message = f'exclude: {wanted!r} is no number; give one, or a comparison such as ">= 20"'
            raise InvalidOption(message) from None
    if isinstance(value, str):
        return bool(value) and fnmatchcase(value, str(wanted))
    return bool(value == wanted)
