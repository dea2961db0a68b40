"""Implications between the phases of units, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from relu2mip.arrays import Index


@dataclass(frozen=True, eq=False)
class Implications:
    """Phases that force phases, one entry each.

    If unit `first_unit[k]` of ReLU value `first[k]` is active (first_sign 1) or inactive (-1), then unit
    `second_unit[k]` of value `second[k]` is active (second_sign 1) or inactive (-1).
    """

    first: Index
    first_unit: Index
    first_sign: Index
    second: Index
    second_unit: Index
    second_sign: Index

    @classmethod
    def none(cls) -> Implications:
        """No implication."""
        return cls(*(np.zeros(0, dtype=np.intp) for _ in fields(cls)))

    @classmethod
    def joined(cls, parts: Sequence[Implications]) -> Implications:
        """All implications of several, each once."""
        known = [part for part in parts if part.size]
        if len(known) < 2:
            return known[0] if known else cls.none()
        columns = np.concatenate([np.stack([getattr(p, f.name) for f in fields(cls)]) for p in known], axis=1)
        return cls(*np.unique(columns, axis=1))

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self.first.size)

    def moved(self, places: Mapping[tuple[int, int], tuple[int, int]]) -> Implications:
        """Those whose units are both in `places`, (value, unit) -> (new value, new unit), at their new places."""
        kept = [
            (*places[a, i], s, *places[b, j], t)
            for a, i, s, b, j, t in zip(*(getattr(self, f.name).tolist() for f in fields(self)), strict=True)
            if (a, i) in places and (b, j) in places
        ]
        columns = np.array(kept, dtype=np.intp).reshape(-1, 6).T
        return Implications(*columns)
