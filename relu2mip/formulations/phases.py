"""The binary of a unit, `.a` under its place, which is 1 where the unit is active."""

from __future__ import annotations

from collections.abc import Mapping

from relu2mip.arrays import Array, Index
from relu2mip.normal_form import Relu, Value
from relu2mip.unrolled.bounds import Bounds


def phases(value: Value, columns: Mapping[str, Index]) -> Index | None:
    """The binaries of a ReLU among the columns by name, in the order of its units; None where it has none."""
    found = columns.get(f"{value.place.prefix}.a")
    return found if found is not None and found.size == value.size else None


def fix_phases(bounds: Bounds, columns: Mapping[str, Index], lower: Array, upper: Array) -> None:
    """Fix, in these limits of the columns, the binary of every unit whose phase the bounds decide."""
    for value in bounds.form.values:
        if isinstance(value, Relu) and (binaries := phases(value, columns)) is not None:
            active, inactive = bounds.lower[value.input] >= 0, bounds.upper[value.input] <= 0
            lower[binaries[active]] = 1.0
            upper[binaries[inactive & ~active]] = 0.0
