"""The premises that bounds rest on, so that they are used only where they hold.

Bounds hold for every plan inside the sets they were computed for, so for every problem with the same network and rows
whose boxes (initial state, states, controls) lie inside those. With a cutoff they hold only for plans at least as good
as a known one, and so for that very problem alone.

Source: inclusion isotonicity, Moore, "Interval Analysis" (1966).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.arrays import Array
from relu2mip.normal_form import NormalForm

FORM = "unrolled form"
"""The fact that says how the network was unrolled. It follows from the others, and is told only where they agree."""


@dataclass(frozen=True, eq=False)
class Premises:
    """The conditions on a problem for bounds to hold.

    facts: what must be the same, by name; what is long is a fingerprint.  boxes: what inputs and states must lie in, by
    value of the form.  exact: the boxes must be the same too.
    """

    facts: Mapping[str, str]
    boxes: Mapping[int, tuple[Array, Array]]
    exact: bool = False

    def differing(self, facts: Mapping[str, str]) -> str:
        """The facts that differ, in words; "" if none does."""
        names = [n for n in {**self.facts, **facts} if self.facts.get(n) != facts.get(n)]
        names = [n for n in names if n != FORM] or names
        return "; ".join(_told(name, self.facts.get(name), facts.get(name)) for name in names)

    def outside(self, boxes: Mapping[int, tuple[Array, Array]], form: NormalForm) -> str:
        """The first unit whose box is not inside (for exact premises: not the same); "" if all are."""
        if self.boxes.keys() != boxes.keys():
            return "boxes of other states and inputs"
        for i, (lower, upper) in self.boxes.items():
            low, high = boxes[i]
            bad = (low != lower) | (high != upper) if self.exact else ~((low >= lower) & (high <= upper))
            if bad.any():
                k = int(np.flatnonzero(bad)[0])
                place = form.values[i].place
                verb = "is not the same as" if self.exact else "lies outside"
                return f"{place.name(k)} in [{low[k]:g}, {high[k]:g}] {verb} [{lower[k]:g}, {upper[k]:g}]"
        return ""


def fingerprint(*parts: ArrayLike) -> str:
    """A hash of numbers and texts, with their shapes."""
    digest = hashlib.sha256()
    for part in parts:
        array = np.asarray(part)
        if array.dtype.kind != "U":
            array = array.astype(np.float64) + 0.0  # one zero
        digest.update(f"{array.dtype.kind}{array.shape}".encode() + array.tobytes())
    return f"#{digest.hexdigest()}"


def _told(name: str, known: str | None, given: str | None) -> str:
    if known is None or given is None or known.startswith("#") or given.startswith("#"):
        return f"{name}: not the same"
    return f"{name}: {given} instead of {known}"
