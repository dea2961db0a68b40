"""Random small models."""

import numpy as np
from hypothesis import strategies as st

from relu2mip.mip import MipModel, ModelBuilder, NameBlock


def block(name: str, size: int) -> NameBlock:
    return NameBlock(name, np.arange(size))


@st.composite
def small_models(
    draw, squares: bool = False, sos1: bool = False, indicators: bool = False, maxima: bool = False, pairs: bool = False
) -> MipModel:
    """Up to 4 continuous and 4 integral columns in finite boxes, up to 3 rows, and what is asked for."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    continuous, binaries = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    rows, general = draw(st.integers(0, 3)), draw(st.integers(0, 1))
    builder = ModelBuilder()
    low = rng.integers(-3, 2, continuous).astype(float)
    x = builder.add_columns(block("x", continuous), low, low + rng.integers(0, 5, continuous))
    b = builder.add_columns(block("b", binaries), 0.0, 1.0, integer=True)
    k = builder.add_columns(block("k", general), -2.0, 2.0, integer=True)
    every = np.r_[x, b, k]
    if rows:
        weights = rng.integers(-3, 4, (rows, every.size)).astype(float)
        middle = weights @ rng.uniform(np.r_[low, np.zeros(binaries), -2 * np.ones(general)], 1)
        below, above = rng.integers(0, 4, (2, rows)) / 2
        builder.add_rows(block("row", rows), [(weights, every)], np.floor(middle - below), np.ceil(middle + above))
    builder.minimise([(rng.integers(-4, 5, every.size).astype(float), every)], offset=float(rng.integers(-2, 3)))
    if squares:
        builder.minimise_squares(rng.integers(0, 3, every.size) / 2, every)
    if sos1:
        builder.add_sos1(block("pair", 1), rng.choice(every, (1, 2), replace=False))
        builder.add_sos1(block("some", 1), rng.choice(every, (1, min(3, every.size)), replace=False))
    if indicators:
        for name, active in (("on", True), ("off", False)):
            weights = rng.integers(-2, 3, (binaries, every.size)).astype(float)
            limits = [(-np.inf, 1.0), (0.5, np.inf), (-1.0, 1.0), (0.5, 0.5)][int(rng.integers(4))]
            builder.add_indicators(block(name, binaries), b, active, [(weights, every)], *limits)
    if maxima:
        y = builder.add_columns(block("y", 3), -4.0, 4.0)
        operands = [rng.choice(every, size, replace=False) for size in (1, 2, min(3, every.size))]
        starts = np.cumsum([0, *(chosen.size for chosen in operands)])
        builder.add_maxima(block("max", 3), y, np.concatenate(operands), starts, [0.0, 1.0, -np.inf])
        builder.minimise([(rng.integers(-3, 4, 3).astype(float), y)])
    if pairs:
        first, second = np.array([rng.choice(every, 2, replace=False) for _ in range(2)]).T
        builder.add_pairs(block("zero", 2), first, second)
    return builder.build()
