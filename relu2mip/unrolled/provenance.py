"""Where bounds came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SETS = "sets"
"""The provenance of what the boxes of the problem say."""


@dataclass(frozen=True)
class Provenance:
    """One method that took part: its name with options, whether what it says is proven, and its seconds.

    detail: what it counted on the way, by name. cutoff: its bounds hold only for plans with at most this objective (as
    the model minimises it); None: for all.
    """

    method: str
    sound: bool
    seconds: float = 0.0
    detail: Mapping[str, float] = field(default_factory=dict)
    cutoff: float | None = None
