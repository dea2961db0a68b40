"""Implications between units: one being active (or inactive) forces another to be.

A pair of unstable pre-activations z1, z2 with signs s1, s2 in {1, -1} is an implication  s1 z1 >= 0  =>  s2 z2 > 0  if

    s2 z2 - lambda s1 z1 > 0        everywhere inside the bounds, for some lambda >= 0

which a backward pass of CROWN proves for a few values of lambda. Parallel and dominated pre-activations are the plain
case; the pass sees those that depend on each other through earlier layers and steps too. Pairs are looked for within a
layer and between a layer and the next one of the same form; samples that break a pair drop it before any proof.

The program gets a row for each: a1 <= a2 for active => active, a1 + a2 <= 1 for active => inactive, and so on. Units
that imply each other both ways share one binary that way. Nothing here is needed for exactness.

Source: Serra, Tjandraatmadja, Ramalingam, "Bounding and Counting Linear Regions of Deep Neural Networks" (ICML 2018),
and Botoeva et al., "Efficient Verification of ReLU-Based Neural Networks via Dependency Analysis" (AAAI 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.bounds.crown import SLOPES, Relaxation
from relu2mip.bounds.ibp import Ibp
from relu2mip.errors import InvalidOption
from relu2mip.normal_form import Affine, Max, Relu
from relu2mip.options import Part, settle
from relu2mip.runtime.deadline import expired
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.implications import Implications
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

SHARES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Values of lambda tried, times the ratio of the widths of the two pre-activations."""


BATCH = 256
"""Samples evaluated at once."""


@dataclass(frozen=True)
class Structure(Part):
    """Find implications.

    samples: points that weed out pairs.  pairs: most pairs of one kind proven a layer.  seed: of the samples.
    """

    samples: int = 2000
    pairs: int = 400
    seed: int = 0
    name: ClassVar[str] = "structure"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def __post_init__(self) -> None:
        settle(self)
        if self.samples < 1 or self.pairs < 1 or self.seed < 0:
            raise InvalidOption("structure: samples and pairs must be at least 1, seed at least 0")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """The same bounds, with the implications found by the time that time is up."""
        form, bounds = bounds.form, bounds.joined(Ibp().tighten(unrolled, bounds))
        values = self._sample(bounds)
        lower, upper = list(bounds.lower), list(bounds.upper)
        relaxed = Relaxation(form, lower, upper)
        found: list[Implications] = []
        tried = 0
        before: int | None = None
        for i, value in enumerate(form.values):
            if expired():
                break
            if isinstance(value, Relu) and isinstance(form.values[value.input], Affine):
                for other in (i, before):
                    if other is not None and values[i].shape[0]:
                        proven, count = self._pairs(relaxed, bounds, values, other, i)
                        tried += count
                        found.append(proven)
                before = i
            if isinstance(value, Relu | Max):
                relaxed.relax(i)
        proven = Implications.joined(found)
        detail = {"tried": float(tried), "implications": float(proven.size)}
        return Tightened(bounds.lower, bounds.upper, implications=proven, detail=detail)

    def _sample(self, bounds: Bounds) -> list[Array]:
        """Values at random points of the inputs that stay inside the bounds."""
        rng = np.random.default_rng(self.seed)
        form = bounds.form
        inputs = {}
        for name, i in form.inputs.items():
            x = rng.uniform(bounds.lower[i], bounds.upper[i], (self.samples, bounds.lower[i].size))
            corner = np.where(rng.random(x.shape) < 0.5, bounds.lower[i], bounds.upper[i])
            x[::2] = corner[::2]
            inputs[name] = x
        parts = [[np.zeros((0, low.size))] for low in bounds.lower]
        for at in range(0, self.samples, BATCH):
            if expired():
                break
            values = form.evaluate_all({name: x[at : at + BATCH] for name, x in inputs.items()})
            count = min(BATCH, self.samples - at)
            inside = np.ones(count, dtype=bool)
            for x, low, high in zip(values, bounds.lower, bounds.upper, strict=True):
                slack = 1e-6 * (high - low) + 1e-12 * np.maximum(np.abs(low), np.abs(high))
                inside &= ((x >= low - slack) & (x <= high + slack)).all(axis=1)
            for part, x in zip(parts, values, strict=True):
                part.append(np.broadcast_to(x, (count, x.shape[1]))[inside])
        return [np.concatenate(part) for part in parts]

    def _pairs(
        self, relaxed: Relaxation, bounds: Bounds, values: list[Array], first: int, second: int
    ) -> tuple[Implications, int]:
        """Proven implications from units of the ReLU `first` to units of the ReLU `second`, and how many were tried."""
        form = bounds.form
        k1, k2 = (form.values[i].reads[0] for i in (first, second))
        open1, open2 = (np.flatnonzero((bounds.lower[k] < 0) & (bounds.upper[k] > 0)) for k in (k1, k2))
        empty = Implications.none()
        if not open1.size or not open2.size:
            return empty, 0
        on1, on2 = (values[k][:, units] > 0 for k, units in ((k1, open1), (k2, open2)))
        found, tried = [], 0
        for s1 in (1, -1):
            for s2 in (1, -1):
                a, b = (on1 if s1 > 0 else ~on1), (on2 if s2 > 0 else ~on2)
                broken = a.T.astype(np.float32) @ (~b).astype(np.float32)
                seen = a.sum(axis=0)[:, None]
                rows, columns = np.nonzero((broken == 0) & (seen > 0))
                units1, units2 = open1[rows], open2[columns]
                if first == second:
                    keep = units1 != units2
                    units1, units2 = units1[keep], units2[keep]
                units1, units2 = units1[: self.pairs], units2[: self.pairs]
                if not units1.size:
                    continue
                tried += units1.size
                holds = self._prove(relaxed, bounds, k1, k2, units1, units2, s1, s2)
                size = int(holds.sum())
                found.append(
                    Implications(
                        np.full(size, first), units1[holds], np.full(size, s1),
                        np.full(size, second), units2[holds], np.full(size, s2),
                    )
                )  # fmt: skip
        return Implications.joined(found), tried

    @staticmethod
    def _prove(
        relaxed: Relaxation, bounds: Bounds, k1: int, k2: int, units1: Index, units2: Index, s1: int, s2: int
    ) -> np.ndarray:
        width1 = (bounds.upper[k1] - bounds.lower[k1])[units1]
        width2 = (bounds.upper[k2] - bounds.lower[k2])[units2]
        holds = np.zeros(units1.size, dtype=bool)
        size1, size2 = bounds.lower[k1].size, bounds.lower[k2].size
        for share in SHARES:
            left = np.flatnonzero(~holds)
            if not left.size or expired():
                break
            rows = np.arange(left.size)
            c1, c2 = np.zeros((left.size, size1)), np.zeros((left.size, size2))
            c1[rows, units1[left]] = -s1 * share * width2[left] / width1[left]
            c2[rows, units2[left]] = s2
            if k1 == k2:
                terms = {k2: np.tile(c1 + c2, (SLOPES, 1))}
            else:
                terms = {k1: np.tile(c1, (SLOPES, 1)), k2: np.tile(c2, (SLOPES, 1))}
            least = relaxed.minimum(terms, max(k1, k2)).reshape(SLOPES, -1).max(axis=0)
            holds[left[least > 0]] = True
        return holds
