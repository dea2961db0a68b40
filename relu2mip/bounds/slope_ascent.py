"""Gradient ascent on the lower slopes of backward passes, in torch: a batch of bounds, each with slopes of its own.

Passes are those of `Relaxation` without slack for rounding, differentiable in the slopes. Steps are Adam's, clamped to
the range of each slope. Each row keeps its best iterate; when it stops improving it returns there and halves its steps,
and when its steps are small it leaves the batch. All end where the time that is left covers no further step and the
pass that makes a bound of the slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch  # noqa: TID253 - this module is imported by the method that needs it
from torch import Tensor  # noqa: TID253

from relu2mip.arrays import Array, Index, Matrix
from relu2mip.bounds.backward import Backward
from relu2mip.bounds.crown import Relaxation
from relu2mip.devices import device as device_named
from relu2mip.devices import tensor
from relu2mip.normal_form import Max, Relu
from relu2mip.runtime.deadline import now, seconds_left

GAIN = 1e-5
"""Relative growth of a bound that counts as an improvement."""

LEAST = 0.02
"""The share of the first step size at which a row is done."""

SHRINK = 5
"""Steps between two removals of finished rows from the batch."""

MOMENTUM, SCALING = 0.8, 0.99
"""Adam's two decay rates; shorter memories than usual, since gradients jump where coefficients change sign."""

SPAN = 1e-6
"""Smallest weight of the best member of a maximum, so that weights can always be divided by their sum."""

Layout: TypeAlias = list[tuple[int, int]]
"""The columns of a matrix of slopes: (value, how many), one after the other."""


class SlopeAscent:
    """Optimises slopes of passes through `relaxed`, as far as it has been relaxed."""

    def __init__(self, relaxed: Relaxation, iterations: int, learning_rate: float, patience: int, device: str) -> None:
        self.relaxed, self.form, self.passes = relaxed, relaxed.form, _Passes(relaxed, device)
        self.iterations, self.learning_rate, self.patience = iterations, learning_rate, patience

    def ascend(self, start: int, rows: Array, choice: Index, only_signs: bool) -> dict[int, Array]:
        """The best slopes found, by value, (rows, inputs), for the lower bounds of rows @ value; none if none is free.

        choice: the choice of slopes each row starts from.  only_signs: the rows are units and then their negatives, and
        both are done when the bound of either is positive.
        """
        layout = self._layout(start)
        low, high = self._ranges(layout)
        if not bool((low < high).any()):
            return {}
        below = [self.relaxed.sides[j].below for j, _ in layout]
        begin = np.concatenate([choices[choice % len(choices)] for choices in below], axis=1)
        with torch.enable_grad():
            best = self._climb(
                start, self.passes.tensor(rows), self.passes.tensor(begin).clamp(low, high), low, high, only_signs
            )
        weights = self._weights(best, layout)
        return {j: weights[j].cpu().numpy() for j in weights}

    def _climb(self, start: int, rows: Tensor, slopes: Tensor, low: Tensor, high: Tensor, only_signs: bool) -> Tensor:
        layout, count = self._layout(start), rows.shape[0]
        best, found = rows.new_full((count,), -torch.inf), slopes.clone()
        live = torch.arange(count, device=rows.device)
        mean, square = torch.zeros_like(slopes), torch.zeros_like(slopes)
        stale, rate = rows.new_zeros(count), rows.new_full((count,), self.learning_rate)
        for step in range(1, self.iterations + 2):
            begun = now()
            slopes.requires_grad_(True)
            bound = self.passes.minimum({start: rows}, start, self._weights(slopes, layout))
            (gradient,) = torch.autograd.grad(bound.sum(), slopes)
            slopes = slopes.detach()
            bound, before = bound.detach(), best[live]
            better = bound > before
            best[live] = torch.maximum(bound, before)
            found[live] = torch.where(better[:, None], slopes, found[live])
            if step > self.iterations or seconds_left() <= 2 * (now() - begun):
                break
            gained = bound > before + GAIN * before.abs()
            stale = torch.where(gained, 0.0, stale + 1)
            slow = stale >= self.patience
            rate, stale = torch.where(slow, rate / 2, rate), torch.where(slow, 0.0, stale)
            slopes = torch.where(slow[:, None], found[live], slopes)
            if step % SHRINK == 0:
                going = rate > LEAST * self.learning_rate
                if only_signs:
                    settled = best > 0
                    going &= ~(settled | settled.roll(count // 2))[live]
                if not bool(going.any()):
                    break
                if not bool(going.all()):
                    live, rows, rate, stale = live[going], rows[going], rate[going], stale[going]
                    slopes, gradient, mean, square = slopes[going], gradient[going], mean[going], square[going]
            mean.lerp_(gradient, 1 - MOMENTUM)
            square.mul_(SCALING).addcmul_(gradient, gradient, value=1 - SCALING)
            spread = (square / (1 - SCALING**step)).sqrt_().add_(1e-30)
            slopes = (slopes + rate[:, None] / (1 - MOMENTUM**step) * mean / spread).clamp(low, high)
        return found

    def _layout(self, start: int) -> Layout:
        """The nonlinear values that a pass from `start` meets, last first, with how many slopes each has."""
        reached, layout = {start}, []
        last = self.relaxed.earliest_depth(start)
        for j in range(start, -1, -1):
            if j in reached and self.relaxed.depth[j] >= last:
                reached.update(self.form.values[j].reads)
                if isinstance(self.form.values[j], Relu | Max):
                    layout.append((j, self.relaxed.sides[j].above.size))
        return layout

    def _ranges(self, layout: Layout) -> tuple[Tensor, Tensor]:
        """The range of each slope: [0, 1] for unstable units and members of maxima, else a point."""
        lows, highs = [np.zeros(0)], [np.zeros(0)]
        for j, _ in layout:
            sides = self.relaxed.sides[j]
            if isinstance(self.form.values[j], Relu):
                free = (sides.above > 0) & (sides.above < 1)
                lows.append(np.where(free, 0.0, sides.above))
                highs.append(np.where(free, 1.0, sides.above))
            else:
                lows.append(SPAN * sides.below[0])
                highs.append(np.ones(sides.above.size))
        return self.passes.tensor(np.concatenate(lows)), self.passes.tensor(np.concatenate(highs))

    def _weights(self, slopes: Tensor, layout: Layout) -> dict[int, Tensor]:
        """Slopes by value; those of the members of a maximum divided by their sum."""
        weights = dict(zip([j for j, _ in layout], torch.split(slopes, [n for _, n in layout], dim=1), strict=True))
        for j in weights:
            if isinstance(self.form.values[j], Max):
                total = slopes.new_zeros(slopes.shape[0], self.form.values[j].size)
                total = total.index_add(1, self.passes.group(j), weights[j])
                weights[j] = weights[j] / total[:, self.passes.group(j)]
        return weights


class _Passes(Backward[Tensor, Tensor]):
    """`Relaxation`'s passes without the slack for rounding, in torch."""

    def __init__(self, relaxed: Relaxation, device: str) -> None:
        super().__init__(relaxed.form, relaxed.window)
        self.relaxed, self.where = relaxed, device_named(device)
        self.tensors: dict[object, Tensor] = {}

    def nothing(self, rows: Tensor) -> Tensor:
        """No constant."""
        return rows.new_zeros(rows.shape[0])

    def plus_bias(self, total: Tensor, c: Tensor, j: int) -> Tensor:
        """The sum with c @ bias of affine value j added."""
        return torch.addmv(total, c, self.constant(("bias", j), self.form.values[j].bias))  # type: ignore[union-attr]

    def times(self, c: Tensor, matrix: Matrix) -> Tensor:
        """Coefficients of what an affine value reads."""
        if isinstance(matrix, np.ndarray):
            return c @ self.constant(("matrix", id(matrix)), matrix)
        product: Tensor = torch.sparse.mm(self._cached(("transposed", id(matrix)), lambda: matrix.T), c.T)
        return product.T

    def through(self, total: Tensor, c: Tensor, j: int, slopes: Mapping[int, Tensor] | None) -> tuple[Tensor, Tensor]:
        """With these slopes, one row of them for each of c."""
        assert slopes is not None
        value, sides = self.form.values[j], self.relaxed.sides[j]
        plus = c.clamp(min=0.0)
        minus = c - plus
        total = torch.addmv(total, minus, self.constant(("offset", j), sides.offset))
        if isinstance(value, Max):
            plus, minus = plus[:, self.group(j)], minus[:, self.group(j)]
        c = torch.addcmul(minus * self.constant(("above", j), sides.above), plus, slopes[j])
        if isinstance(value, Max):
            units = c.new_zeros(c.shape[0], self.form.values[value.input].size)
            c = units.index_add(1, self.constant(("members", j), value.members), c)
        return total, c

    def plus_box(self, total: Tensor, c: Tensor, k: int) -> Tensor:
        """The sum with the minimum of c @ value k over the box of that value added."""
        lower, upper = self.relaxed.lower[k], self.relaxed.upper[k]
        centre = self._cached(("centre", k), lambda: (lower + upper) / 2)
        radius = self._cached(("radius", k), lambda: (upper - lower) / 2)
        return torch.addmv(torch.addmv(total, c, centre), c.abs(), radius, alpha=-1)

    def bound(self, total: Tensor) -> Tensor:
        """The constant; what a bound is made of is computed anew in numpy."""
        return total

    def larger(self, best: Tensor | None, bound: Tensor) -> Tensor:
        """Row by row the better bound."""
        return bound if best is None else torch.maximum(best, bound)

    def group(self, j: int) -> Tensor:
        """The group of each member of a maximum."""
        return self.constant(("group", j), self.relaxed.sides[j].group)

    def constant(self, key: object, array: Matrix) -> Tensor:
        """An array of the form as a tensor."""
        return self._cached(key, lambda: array)

    def tensor(self, array: Matrix) -> Tensor:
        """An array as a tensor on the device."""
        return tensor(array, self.where)

    def _cached(self, key: object, make: Callable[[], Matrix]) -> Tensor:
        if key not in self.tensors:
            self.tensors[key] = self.tensor(make())
        return self.tensors[key]
