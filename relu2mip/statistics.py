"""What a compiled problem consists of: sizes per layer and step, and the seconds of each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from relu2mip.bounds import Bounds
from relu2mip.formulations import Encoding
from relu2mip.mip import MipModel
from relu2mip.normal_form import Max, Place, Relu


@dataclass(frozen=True)
class LayerStatistics:
    """One layer at one step. Units are those of the network after merging; stable ones cost nothing.

    For a maximum, `unstable` counts groups with more than one possible member.
    """

    layer: str
    step: int | None
    units: int
    active: int
    inactive: int
    unstable: int
    mean_width: float
    columns: int
    binaries: int
    rows: int
    nonzeros: int


@dataclass(frozen=True)
class Statistics:
    """Totals of the model and its layers; `seconds` of unrolling, bounds, and building the model."""

    columns: int
    binaries: int
    rows: int
    nonzeros: int
    units: int
    stable: int
    layers: tuple[LayerStatistics, ...]
    seconds: Mapping[str, float]

    @classmethod
    def of(cls, bounds: Bounds, costs: Sequence[Encoding], model: MipModel, seconds: Mapping[str, float]) -> Statistics:
        """From the bounds of the whole form, what each value of the reduced form cost, and the model."""
        by_place: dict[tuple[int | None, str], list[Encoding]] = {}
        for cost in costs:
            by_place.setdefault(_key(cost.place), []).append(cost)
        layers = []
        for i, value in enumerate(bounds.form.values):
            if isinstance(value, Relu | Max):
                spent = by_place.get(_key(value.place), [])
                layers.append(_layer(bounds, i, value, spent))
        stable = sum(layer.active + layer.inactive for layer in layers)
        units = sum(layer.units for layer in layers)
        return cls(
            model.columns,
            model.binaries,
            model.rows,
            model.nonzeros,
            units,
            stable,
            tuple(layers),
            dict(seconds),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Statistics:
        """The inverse of `to_dict`."""
        return cls(**{**data, "layers": tuple(LayerStatistics(**layer) for layer in data["layers"])})


def _key(place: Place) -> tuple[int | None, str]:
    return place.step, place.layer


def _layer(bounds: Bounds, i: int, value: Relu | Max, spent: Sequence[Encoding]) -> LayerStatistics:
    lower, upper = bounds.lower[value.input], bounds.upper[value.input]
    if isinstance(value, Relu):
        active, inactive = int((lower >= 0).sum()), int(((upper <= 0) & (lower < 0)).sum())
    else:
        members, starts = value.members, value.starts
        floor = np.repeat(np.maximum.reduceat(lower[members], starts[:-1]), np.diff(starts))
        possible = np.add.reduceat((upper[members] > floor).astype(int), starts[:-1])
        active, inactive = int((possible <= 1).sum()), 0
    return LayerStatistics(
        layer=value.place.layer,
        step=value.place.step,
        units=value.size,
        active=active,
        inactive=inactive,
        unstable=value.size - active - inactive,
        mean_width=float(np.mean(upper - lower)),
        columns=sum(e.columns for e in spent),
        binaries=sum(e.binaries for e in spent),
        rows=sum(e.rows for e in spent),
        nonzeros=sum(e.nonzeros for e in spent),
    )
