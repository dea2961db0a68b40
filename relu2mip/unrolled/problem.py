"""A problem as the compiler knows it."""

from __future__ import annotations

from typing import Protocol

from relu2mip.unrolled.unrolled import Unrolled


class Problem(Protocol):
    """A `relu2mip.Trajectory` or `relu2mip.BoxProblem`, or anything with an unrolled form."""

    @property
    def unrolled(self) -> Unrolled:
        """The network over the horizon, with the boxes of the sets."""
        ...
