"""How tight bounds are, layer by layer and step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu2mip.normal_form import Max, Relu
from relu2mip.normal_form.contenders import contenders
from relu2mip.unrolled.bounds import Bounds


@dataclass(frozen=True)
class LayerBounds:
    """How tight the bounds of one layer are at one step. Units are those of the network after merging.

    For a maximum, `unstable` counts groups with more than one possible member. mean_width: of the pre-activations.
    """

    layer: str
    step: int | None
    units: int
    active: int
    inactive: int
    unstable: int
    mean_width: float


def layer_bounds(bounds: Bounds) -> tuple[LayerBounds, ...]:
    """Every layer of ReLUs or maxima at every step, in order."""
    values = bounds.form.values
    return tuple(_layer(bounds, value) for value in values if isinstance(value, Relu | Max))


def merged(layers: Sequence[LayerBounds], step: int | None = None) -> LayerBounds:
    """Several layers as one; its mean width is over all their units."""
    units = sum(layer.units for layer in layers)
    width = sum(layer.units * layer.mean_width for layer in layers) / max(1, units)
    active, inactive = sum(layer.active for layer in layers), sum(layer.inactive for layer in layers)
    return LayerBounds("all", step, units, active, inactive, units - active - inactive, width)


def _layer(bounds: Bounds, value: Relu | Max) -> LayerBounds:
    lower, upper = bounds.lower[value.input], bounds.upper[value.input]
    if isinstance(value, Relu):
        active, inactive = int((lower >= 0).sum()), int(((upper <= 0) & (lower < 0)).sum())
    else:
        members, starts = value.members, value.starts
        possible = np.add.reduceat(contenders(lower[members], upper[members], starts), starts[:-1], dtype=np.intp)
        active, inactive = int((possible <= 1).sum()), 0
    return LayerBounds(
        layer=value.place.layer,
        step=value.place.step,
        units=value.size,
        active=active,
        inactive=inactive,
        unstable=value.size - active - inactive,
        mean_width=float(np.mean(upper - lower)),
    )
