"""Tiny models with known answers, which every backend must get right."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from relu2mip.mip import MipModel, ModelBuilder, NameBlock, Stop

INF = np.inf


def block(name: str, size: int) -> NameBlock:
    return NameBlock(name, np.arange(size))


@dataclass(frozen=True)
class Case:
    name: str
    build: Callable[[], MipModel]
    stop: Stop = Stop.OPTIMAL
    objective: float = np.nan

    def __str__(self) -> str:
        return self.name


def program(
    cost,
    rows=(),
    row_lower=(),
    row_upper=(),
    lower=0.0,
    upper=1.0,
    integer=False,
    offset=0.0,
    squares=None,
    sos1=None,
    indicators=(),
    maxima=(),
    pairs=(),
):
    """A model in columns x, by scalars or vectors.

    `indicators` are (binary, active, row, lower, upper), `maxima` (result, operands, constant), `pairs` the two.
    """
    cost = np.asarray(cost, dtype=float)
    builder = ModelBuilder()
    x = np.zeros(0, dtype=int)
    mask = np.broadcast_to(integer, cost.shape)
    bounds = [np.broadcast_to(np.asarray(side, dtype=float), cost.shape) for side in (lower, upper)]
    for k in range(cost.size):
        name = NameBlock("x", np.array([k]))
        x = np.r_[x, builder.add_columns(name, bounds[0][k], bounds[1][k], integer=bool(mask[k]))]
    builder.values = {"x": x}
    if len(rows):
        builder.add_rows(block("row", len(rows)), [(np.array(rows, dtype=float), x)], row_lower, row_upper)
    builder.minimise([(cost, x)], offset=offset)
    if squares is not None:
        builder.minimise_squares(np.asarray(squares, dtype=float), x)
    for k, members in enumerate(sos1 or ()):
        builder.add_sos1(NameBlock("set", np.array([k])), x[np.array([members])])
    for k, (binary, active, row, row_low, row_high) in enumerate(indicators):
        name = NameBlock("when", np.array([k]))
        builder.add_indicators(name, x[[binary]], active, [(np.array([row], dtype=float), x)], row_low, row_high)
    for k, (result, operands, constant) in enumerate(maxima):
        name, starts = NameBlock("max", np.array([k])), np.array([0, len(operands)])
        builder.add_maxima(name, x[[result]], x[list(operands)], starts, constant)
    for k, (first, second) in enumerate(pairs):
        builder.add_pairs(NameBlock("pair", np.array([k])), x[[first]], x[[second]])
    return builder.build()


def market_split(slack: bool, seed: int = 1, size: int = 50, rows: int = 6) -> tuple[MipModel, np.ndarray]:
    """Equations that no solver settles at the root, and a 0/1 point that satisfies them.

    With slack, the cost is the total violation of the equations (0 at that point), so that every 0/1 point is feasible.
    """
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 100, (rows, size)).astype(float)
    planted = rng.integers(0, 2, size).astype(float)
    builder = ModelBuilder()
    x = builder.add_columns(block("x", size), 0.0, 1.0, integer=True)
    terms = [(weights, x)]
    if slack:
        over = builder.add_columns(block("over", rows), 0.0, INF)
        under = builder.add_columns(block("under", rows), 0.0, INF)
        terms += [(-1.0, over), (1.0, under)]
        builder.minimise([(1.0, over), (1.0, under)])
    builder.add_rows(block("split", rows), terms, weights @ planted, weights @ planted)
    return builder.build(), np.r_[planted, np.zeros(2 * rows if slack else 0)]


FEASIBLE = [
    Case("linear program", lambda: program([-1, -2], [[1, 1]], -INF, 1.5), objective=-2.5),
    Case(
        "knapsack",
        lambda: program([-10, -13, -7, -8], [[3, 4, 2, 3]], -INF, 7, integer=True),
        objective=-23,
    ),
    Case(
        "general integers with negative bounds",
        lambda: program([3, -2], [[2, 1]], -3.5, 3.5, lower=-5, upper=5, integer=True),
        objective=-22,
    ),
    Case("an equation", lambda: program([1, 2, 3], [[1, 1, 1]], 2, 2, integer=[True, False, False]), objective=3),
    Case("a range", lambda: program([1, 1], [[1, 2]], 1.5, 2.25, integer=[False, True]), objective=1),
    Case("free columns", lambda: program([1, 1], [[1, 1], [1, -1]], [2, -4], [INF, 4], -INF, INF), objective=2),
    Case("one-sided columns", lambda: program([1, -1], [[1, -1]], -6, INF, [-2, -INF], [INF, 3]), objective=-5),
    Case("no cost", lambda: program([0, 0], [[1, 1]], 1, 1, integer=True), objective=0),
    Case("an offset alone", lambda: program([0, 0], [[1, 1]], 1, 1, integer=True, offset=-2.5), objective=-2.5),
    Case("an offset", lambda: program([1, -1], [[1, 1]], 1, 1, integer=True, offset=4), objective=3),
    Case(
        "no rows",
        lambda: program([1, -1, -1], lower=[-1, 0, 0], upper=[1, 2.5, 2.5], integer=[0, 0, 1]),
        objective=-5.5,
    ),
    Case("no columns", lambda: program([], offset=1.25), objective=1.25),
    Case("a row without entries", lambda: program([-1], [[0]], -1, 2, integer=True), objective=-1),
    Case("a row without limits", lambda: program([-1, 0], [[1, 1]], -INF, INF, integer=True), objective=-1),
    Case("fixed columns", lambda: program([1, 1], [[1, 1]], 3, INF, [2, 0], [2, 5], integer=True), objective=3),
    Case("a small objective", lambda: program([-1e-4, -3e-4], [[2, 1]], -INF, 2.5, integer=True), objective=-3e-4),
    Case("a large offset", lambda: program([-1, 1], [[1, -1]], -INF, 0.5, 0, 3, offset=1e6), objective=1e6 - 0.5),
]

QUADRATIC = [
    Case("squares", lambda: program([-2, -4], [[1, 1]], -INF, 2, -5, 5, squares=[1, 1]), objective=-4.5),
    Case(
        "squares of integers",
        lambda: program([-3, 1.2], (), (), (), -5, 5, integer=True, squares=[1, 1]),
        objective=-2.2,
    ),
    Case(
        "squares of binaries", lambda: program([-2, -1], [[1, 1]], -INF, 1, integer=True, squares=[1, 3]), objective=-1
    ),
    Case(
        "some squares",
        lambda: program([0, -1, 2], [[1, 1, -1]], 1, 1, [-2, 0, 0], [2, 1, 4], [0, 1, 0], squares=[2, 0, 0]),
        objective=-1,
    ),
    Case("a square at its bound", lambda: program([1], lower=2, upper=7, squares=[0.5]), objective=4),
    Case(
        "the square of a fixed column",
        lambda: program([1, -1], lower=[3, 0], upper=[3, 1], squares=[2, 0]),
        objective=20,
    ),
    Case("the square of a zero", lambda: program([1, -1], lower=0, upper=[0, 1], squares=[2, 0]), objective=-1),
    Case("small squares", lambda: program([0], lower=0.01, upper=0.02, squares=[1]), objective=1e-4),
    Case("a zero optimum", lambda: program([0, 0], [[1, -1]], 0, 0, -1, 1, squares=[1, 1]), objective=0),
]

SOS1 = [
    Case("a pair", lambda: program([-2, -3], lower=0, upper=[3, 1], sos1=[[0, 1]]), objective=-6),
    Case("a triple", lambda: program([-1, 2, -1], lower=[0, -4, 0], upper=5, sos1=[[0, 1, 2]]), objective=-8),
    Case("sets that overlap", lambda: program([-2, -3, -2], upper=1, sos1=[[0, 1], [1, 2]]), objective=-4),
    Case("a set of one", lambda: program([-2, -3], upper=1, sos1=[[0]]), objective=-5),
    Case("a member away from zero", lambda: program([-1, -5], lower=[1, -1], upper=2, sos1=[[0, 1]]), objective=-2),
    Case("a negative member", lambda: program([1, -1], lower=[-3, -1], upper=[-1, 2], sos1=[[0, 1]]), objective=-3),
]

INDICATORS = [
    Case(
        "active at one",
        lambda: program([-5, -1], upper=[1, 3], integer=[1, 0], indicators=[(0, True, [0, 1], -INF, 0.5)]),
        objective=-5.5,
    ),
    Case(
        "active at zero",
        lambda: program([2, -1], upper=[1, 3], integer=[1, 0], indicators=[(0, False, [0, 1], -INF, 0.5)]),
        objective=-1,
    ),
    Case(
        "a lower side",
        lambda: program([-1, 1], lower=[0, -2], upper=[1, 3], integer=[1, 0], indicators=[(0, True, [0, 2], 1, INF)]),
        objective=-2,
    ),
    Case(
        "an equation",
        lambda: program([-9, 1], lower=[0, -2], upper=[1, 3], integer=[1, 0], indicators=[(0, True, [0, 2], 3, 3)]),
        objective=-7.5,
    ),
    Case(
        "a range at zero",
        lambda: program([9, 1], lower=[0, -2], upper=[1, 3], integer=[1, 0], indicators=[(0, False, [0, 2], 1, 3)]),
        objective=0.5,
    ),
    Case(
        "implied by the bounds",
        lambda: program([-1, -1], upper=1, integer=[1, 0], indicators=[(0, True, [0, 1], -1, 2)]),
        objective=-2,
    ),
    Case(
        "with its own binary in the row",
        lambda: program([-1, -1], upper=[1, 4], integer=[1, 0], indicators=[(0, True, [1, 1], -INF, 3)]),
        objective=-4,
    ),
]

MAXIMA = [
    Case(
        "of one and zero",
        lambda: program([0.5, -1], lower=[-2, -9], upper=[3, 9], maxima=[(1, [0], 0)]),
        objective=-1.5,
    ),
    Case(
        "of one and a constant, minimised",
        lambda: program([-0.5, 1], lower=[-2, -9], upper=[3, 9], maxima=[(1, [0], 2)]),
        objective=1,
    ),
    Case(
        "of three",
        lambda: program([1, 1, 1, -2], lower=-3, upper=[1, 2, 3, 9], maxima=[(3, [0, 1, 2], -INF)]),
        objective=-9,
    ),
    Case(
        "of two and a constant",
        lambda: program([-1, -1, 2], lower=-3, upper=[1, 2, 9], maxima=[(2, [0, 1], 1.5)]),
        objective=0.5,
    ),
    Case("of one alone", lambda: program([0.5, -1], lower=-2, upper=[1, 9], maxima=[(1, [0], -INF)]), objective=-0.5),
    Case(
        "where one is always the largest",
        lambda: program([1, -1, -1], lower=[-3, 1, -9], upper=[0, 2, 9], maxima=[(2, [0, 1], -INF)]),
        objective=-7,
    ),
    Case(
        "of maxima",
        lambda: program([1, 1, 0, -3], lower=-3, upper=[1, 2, 9, 9], maxima=[(2, [0], 0), (3, [1, 2], -INF)]),
        objective=-7,
    ),
    Case(
        "with a result within its own bounds",
        lambda: program([-1, 0], [[1, 1]], -INF, 3, lower=[-2, 1], upper=[5, 2], maxima=[(1, [0], 0)]),
        objective=-1.5,
    ),
    Case(
        "beside squares",
        lambda: program([-1, 0], lower=[-2, 0], upper=1, maxima=[(1, [0], 0)], squares=[0, 1]),
        objective=-0.25,
    ),
]

PAIRS = [
    Case("of positive columns", lambda: program([-2, -3], lower=0, upper=[3, 1], pairs=[(0, 1)]), objective=-6),
    Case("of signed columns", lambda: program([1, -1], lower=[-3, -1], upper=2, pairs=[(0, 1)]), objective=-3),
    Case("that share a column", lambda: program([-2, -3, -2], upper=1, pairs=[(0, 1), (1, 2)]), objective=-4),
    Case(
        "with a row and an integer",
        lambda: program([-1, -1, 1], [[1, -1, -1]], 0, 0, 0, [2, 3, 1], [0, 0, 1], pairs=[(0, 1)]),
        objective=0,
    ),
    Case("without a choice", lambda: program([-1, 1], lower=[1, -1], upper=2, pairs=[(0, 1)]), objective=-2),
]
"""Taken by Gurobi alone; all other backends must refuse them."""

INFEASIBLE = [
    Case(
        "rows against bounds",
        lambda: program([1, 1], [[1, 1], [1, -1]], [3, -INF], [INF, 9], integer=True),
        Stop.INFEASIBLE,
    ),
    Case("rows against rows", lambda: program([1, 1], [[1, 1], [1, 1]], [1, -INF], [INF, 0.5]), Stop.INFEASIBLE),
    Case("integrality", lambda: program([1, 1], [[2, 2]], 1, 1, integer=True), Stop.INFEASIBLE),
    Case("an integer between integers", lambda: program([1], lower=0.25, upper=0.75, integer=True), Stop.INFEASIBLE),
    Case(
        "a maximum below an operand",
        lambda: program([1, 1], lower=[2, 0], upper=[3, 1], maxima=[(1, [0], 0)]),
        Stop.INFEASIBLE,
    ),
    Case("crossed bounds", lambda: program([1, 1], [[1, 1]], 0, 1, [0.5, 0], [0.25, 1]), Stop.INFEASIBLE),
    Case("a row without entries, unmet", lambda: program([1], [[0]], 1, 2), Stop.INFEASIBLE),
    Case(
        "infeasible along a ray",
        lambda: program([-1, 0, 0], [[0, 2, 2]], 1, 1, 0, [INF, 1, 1], [0, 1, 1]),
        Stop.INFEASIBLE,
    ),
    Case(
        "infeasible integers along a ray",
        lambda: program([-1, -1], [[2, -2]], 1, 1, 0, INF, integer=True),
        Stop.INFEASIBLE,
    ),
    Case(
        "infeasible with squares",
        lambda: program([1, 1], [[1, 1]], 11, INF, -5, 5, True, squares=[1, 1]),
        Stop.INFEASIBLE,
    ),
]

UNBOUNDED = [
    Case("a linear ray", lambda: program([-1, -1], [[1, -1]], 0, 1, 0, INF), Stop.UNBOUNDED),
    Case("an integer ray", lambda: program([-1, -1], [[1, -1]], 0, 1, 0, INF, integer=True), Stop.UNBOUNDED),
    Case(
        "a ray beside binaries",
        lambda: program([-1, 0, 0], [[0, 1, 1]], 1, 1, 0, [INF, 1, 1], [0, 1, 1]),
        Stop.UNBOUNDED,
    ),
    Case(
        "a ray beside squares",
        lambda: program([-1, 0, 1], [[0, 1, 1]], 1, 1, 0, [INF, 1, 1], [0, 1, 0], squares=[0, 0, 1]),
        Stop.UNBOUNDED,
    ),
]

LIBRARY = [*FEASIBLE, *QUADRATIC, *SOS1, *INDICATORS, *MAXIMA, *PAIRS, *INFEASIBLE, *UNBOUNDED]
