"""The make-up of a compiled problem: sizes per layer and step, and the seconds of each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from relu2mip.bounds.layers import LayerBounds, layer_bounds
from relu2mip.formulations import Encoding
from relu2mip.lp.cuts import RootCuts
from relu2mip.mip import MipModel
from relu2mip.normal_form import Place
from relu2mip.unrolled.bounds import Bounds

SIZES = ("columns", "binaries", "rows", "nonzeros")


@dataclass(frozen=True)
class LayerStatistics(LayerBounds):
    """One layer at one step: its bounds, and what it costs. Stable units cost nothing."""

    columns: int
    binaries: int
    rows: int
    nonzeros: int


@dataclass(frozen=True)
class Statistics:
    """Totals of the model and its layers; `seconds` of unrolling, bounds, building the model, and cuts.

    Binaries are those that are left to the solver: neither fixed nor relaxed. Of an updated program, all are its own:
    units count as stable, and their binaries as fixed, by its bounds.
    cuts: what cut rounds at the root did, for formulations that have some; the totals count the cuts that were kept.
    notes: what is not written as the formulation says, with the place and the reason.
    warnings: of the stages most of whose programs the solver failed at.
    """

    columns: int
    binaries: int
    rows: int
    nonzeros: int
    units: int
    stable: int
    layers: tuple[LayerStatistics, ...]
    seconds: Mapping[str, float]
    cuts: RootCuts | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        bounds: Bounds,
        encodings: Sequence[Encoding],
        stages: Sequence[Encoding],
        model: MipModel,
        seconds: Mapping[str, float],
        cuts: RootCuts | None = None,
    ) -> Statistics:
        """From the bounds of the whole form, and the model with its cuts.

        encodings: what each value of the reduced form cost; its columns are the first of the model, in this order.
        stages: what stage costs cost.
        """
        left, costs = model.integer & (model.lower < model.upper), []
        for first, cost in zip(accumulate((e.columns for e in encodings), initial=0), encodings, strict=False):
            costs.append(replace(cost, binaries=int(np.count_nonzero(left[first : first + cost.columns]))))
        costs += stages
        sizes: dict[str, Any]
        by_place: dict[tuple[int | None, str], list[Encoding]] = {}
        for cost in costs:
            by_place.setdefault(_key(cost.place), []).append(cost)
        layers = []
        for layer in layer_bounds(bounds):
            spent = by_place.get((layer.step, layer.layer), [])
            sizes = {name: sum(getattr(e, name) for e in spent) for name in SIZES}
            layers.append(LayerStatistics(**vars(layer), **sizes))
        stable = sum(layer.active + layer.inactive for layer in layers)
        units = sum(layer.units for layer in layers)
        return cls(
            model.columns,
            int(np.count_nonzero(left)),
            model.rows,
            model.nonzeros,
            units,
            stable,
            tuple(layers),
            dict(seconds),
            cuts,
            tuple(cost.note for cost in costs if cost.note),
            _failures(bounds, cuts),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Statistics:
        """The inverse of `to_dict`."""
        layers = tuple(LayerStatistics(**layer) for layer in data["layers"])
        texts = {name: tuple(data.get(name, ())) for name in ("notes", "warnings")}
        return cls(**{**data, "layers": layers, "cuts": RootCuts.from_dict(data.get("cuts")), **texts})


def _failures(bounds: Bounds, cuts: RootCuts | None) -> tuple[str, ...]:
    """Which stages lost most of their programs to failures of the solver; running out of time is none."""
    counts = [
        (p.method, p.detail["failures"] - p.detail["stopped"], p.detail["programs"])
        for p in bounds.provenance
        if p.detail.keys() >= {"failures", "stopped", "programs"}
    ]
    if cuts is not None:
        counts.append(("cut rounds", cuts.failures, cuts.programs))
    return tuple(
        f"{stage}: HiGHS failed at {failed:g} of {programs:g} programs, so this stage gained little"
        for stage, failed, programs in counts
        if failed > programs / 2
    )


def _key(place: Place) -> tuple[int | None, str]:
    return place.step, place.layer
