"""How arms look: a colour for the axis with most values, dashes and symbols for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from relu2mip.study.trial import AXES, Arm

COLOURS = (
    *("#3f51b5", "#e6550d", "#2ca02c", "#d62728", "#8c6bb1", "#00838f", "#b8860b", "#c2185b", "#5d4037", "#607d8b"),
    *("#7cb342", "#1f77b4", "#000000"),
)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star")


@dataclass(frozen=True)
class Style:
    """The look of an arm."""

    colour: str
    dash: str
    symbol: str


def styles(arms: Sequence[Arm]) -> list[Style]:
    """One for each arm.

    >>> [style.dash for style in styles([Arm("ibp", "big-m"), Arm("ibp", "ideal"), Arm("crown", "big-m")])]
    ['solid', 'solid', 'dash']
    """
    axes = [arm.axes for arm in arms]
    values = {name: list(dict.fromkeys(a[name] for a in axes)) for name in AXES}
    main = max(("formulation", *AXES), key=lambda name: len(values[name]))
    others = list(dict.fromkeys(_rest(a, main) for a in axes))
    found = []
    for a in axes:
        colour, other = values[main].index(a[main]), others.index(_rest(a, main))
        found.append(Style(COLOURS[colour % len(COLOURS)], DASHES[other % len(DASHES)], SYMBOLS[other % len(SYMBOLS)]))
    return found


def _rest(axes: dict[str, str], main: str) -> tuple[str, ...]:
    return tuple(value for name, value in axes.items() if name != main)
