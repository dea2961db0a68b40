"""An updated program is the one that compiling anew would give, in a solver that holds it and in one that does not."""

from __future__ import annotations

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import CrossedBounds, InvalidProblem, Relu2MipError
from relu2mip.ir.samples import tiny
from relu2mip.mip.run import run
from relu2mip.normal_form import Relu
from relu2mip.options import SolveOptions
from relu2mip.pipeline.specs import resolve_backend
from relu2mip.pipeline.update import RebuildNeeded, RebuildReason
from tests.conftest import installed_backends
from tests.forms import mlp

NET = mlp([3, 5, 2], seed=3, scale=1.0)
WIDE = r2m.Trajectory(
    NET,
    horizon=3,
    initial_state=r2m.Box(-1, 1),
    predicts="change",
    controls=r2m.Box(-1, 1),
    states=r2m.Box(-4, 4),
    control_rate=r2m.Box(-1.5, 1.5),
    previous_controls=[0.0],
    cost=r2m.costs.L1(target=[0.1, 0.0], state=1.0, control=0.1, control_rate=0.05),
)
EXACT = {"gap": 1e-7, "threads": 1}


def changes(rng: np.random.Generator) -> dict[str, object]:
    """New numbers within the sets that `WIDE` gives."""
    made: dict[str, object] = {"initial_state": rng.uniform(-1, 1, 2)}
    if rng.random() < 0.5:
        made["previous_controls"] = rng.uniform(-1, 1, (1, 1))
    if rng.random() < 0.5:
        made["reference"] = rng.uniform(-1, 1, (3, 2)) if rng.random() < 0.5 else rng.uniform(-1, 1, 2)
    if rng.random() < 0.3:
        made["states"] = r2m.Box(rng.uniform(-4, -2, 2), rng.uniform(2, 4, 2))
    if rng.random() < 0.3:
        made["controls"] = r2m.Box(rng.uniform(-1, -0.2), rng.uniform(0.2, 1))
    if rng.random() < 0.2:
        made["terminal"] = r2m.Box(rng.uniform(-3, -1, 2), rng.uniform(1, 3, 2))
    return made


def agree(backend: str, count: int, seed: int) -> None:
    compiled = r2m.compile(WIDE, bounds="crown")
    held, options, rng = compiled.session(backend), SolveOptions(**EXACT), np.random.default_rng(seed)
    solved = 0
    for _ in range(count):
        made = changes(rng)
        try:
            now = compiled.update(**made, rebuild=False)
        except CrossedBounds:
            with pytest.raises((CrossedBounds, Relu2MipError)):
                r2m.solve(WIDE.changed(**made), "highs", bounds="crown", **EXACT)
            continue
        found = run(now.model, held, options)
        anew = r2m.compile(WIDE.changed(**made), bounds="crown")
        expected = run(anew.model, resolve_backend("highs"), options)
        assert found.stop == expected.stop
        assert found.objective == pytest.approx(expected.objective, abs=1e-5, nan_ok=True)
        solved += found.x is not None
    assert solved > count // 2
    assert held.loads <= 1 + count // 3, "rows of the sets change their sides now and then, those of the network never"


@pytest.mark.parametrize("backend", installed_backends())
def test_updates_in_a_session_are_what_compiling_anew_gives(backend: str) -> None:
    agree(backend, 12, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", installed_backends())
def test_a_thousand_updates(backend: str) -> None:
    agree(backend, 1000, seed=1)


def test_only_numbers_move_where_only_the_state_does() -> None:
    compiled = r2m.compile(WIDE, bounds="crown")
    held = compiled.session("highs")
    answers = [compiled.update(initial_state=[x, 0.0], rebuild=False).solve(held, **EXACT) for x in (0.5, -0.5, 0.9)]
    assert held.loads == 1
    for x, answer in zip((0.5, -0.5, 0.9), answers, strict=True):
        assert answer.has_plan
        assert answer.status == "optimal"
        alone = r2m.solve(WIDE.changed(initial_state=[x, 0.0]), **EXACT)
        assert answer.objective == pytest.approx(alone.objective, abs=1e-5)


def test_bounds_narrow_for_the_state_at_hand() -> None:
    compiled = r2m.compile(WIDE, bounds="crown")
    now = compiled.update(initial_state=[0.5, 0.1])
    assert (now.model.lower >= compiled.model.lower).all()
    assert (now.model.upper <= compiled.model.upper).all()
    assert now.bounds.unstable < compiled.bounds.unstable
    plain = compiled.update(initial_state=[0.5, 0.1], passes=())
    assert plain.bounds.unstable == compiled.bounds.unstable


@pytest.mark.parametrize("formulation", ["big-m", "convex-hull", "ideal", "regions", "indicator", "sos1", "triangle"])
def test_every_formulation_can_be_updated(formulation: str) -> None:
    compiled = r2m.compile(WIDE, bounds="crown", formulation=formulation)
    new = {"initial_state": [0.3, -0.2], "reference": [0.5, 0.5]}
    now = compiled.update(**new, rebuild=False)
    problem = WIDE.changed(**new)
    backend = "gurobi" if formulation in {"indicator", "sos1"} else "highs"
    anew = r2m.compile(problem, bounds="crown", formulation=formulation)
    a, b = (run(c.model, resolve_backend(backend), SolveOptions(**EXACT)) for c in (now, anew))
    if formulation == "triangle":
        assert a.objective <= b.objective + 1e-6, "wider bounds make a weaker relaxation"
    else:
        assert a.objective == pytest.approx(b.objective, abs=1e-5)


FORMULATIONS = ["big-m", "convex-hull", "ideal", "regions", "sos1", "policy(strong=convex-hull,weak=big-m,fan_in=2)"]


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_statistics_are_those_of_the_updated_program(formulation: str) -> None:
    compiled = r2m.compile(WIDE, bounds="crown", formulation=formulation)
    assert compiled.statistics.binaries == compiled.model.binaries
    assert sum(layer.binaries for layer in compiled.statistics.layers) <= compiled.statistics.binaries
    now = compiled.update(initial_state=[0.5, 0.1], cost=r2m.costs.LInf(state=1.0), rebuild=False)
    said, model = now.statistics, now.model
    free = model.integer & (model.lower < model.upper)
    assert (said.columns, said.rows, said.nonzeros) == (model.columns, model.rows, model.nonzeros)
    assert said.columns != compiled.statistics.columns, "the new cost has other columns"
    assert said.binaries == free.sum()
    assert said.stable == sum(
        int(((low >= 0) | (high <= 0)).sum())
        for value in now.all_bounds.form.values
        if isinstance(value, Relu)
        for low, high in [(now.all_bounds.lower[value.input], now.all_bounds.upper[value.input])]
    )
    assert said.stable > compiled.statistics.stable
    assert set(said.seconds) == {"bounds", "model"}
    assert now.solve("gurobi" if formulation == "sos1" else "highs", **EXACT).statistics is said
    if formulation in {"big-m", "convex-hull", "ideal"}:
        assert said.binaries == said.units - said.stable, "the binaries of stable units are fixed"
        for layer in said.layers:
            assert layer.binaries == layer.unstable
    again = compiled.update(initial_state=r2m.Box(-1, 1), passes=(), rebuild=False).statistics
    assert (again.binaries, again.stable) == (compiled.statistics.binaries, compiled.statistics.stable)


def test_statistics_of_a_relaxed_tail_count_what_is_left() -> None:
    compiled = r2m.compile(WIDE, bounds="crown", binary_horizon=1)
    for made in (compiled, compiled.update(initial_state=[0.5, 0.1], rebuild=False)):
        assert 0 < made.statistics.binaries == sum(layer.binaries for layer in made.statistics.layers)
        assert [layer.binaries for layer in made.statistics.layers if layer.step] == [0, 0]


def test_what_cannot_be_updated_is_compiled_anew_and_says_why() -> None:
    compiled = r2m.compile(WIDE, bounds="crown")
    now = compiled.update(initial_state=[1.5, 0.0])
    assert now.rebuilt is RebuildReason.BOUNDS
    assert now.solve(**EXACT).objective == pytest.approx(r2m.solve(now.problem, **EXACT).objective, abs=1e-5)
    with pytest.raises(RebuildNeeded, match=r"state\[0\] in \[1.5, 1.5\] lies outside") as caught:
        compiled.update(initial_state=[1.5, 0.0], rebuild=False)
    assert caught.value.reason is RebuildReason.BOUNDS
    point = r2m.compile(WIDE.changed(initial_state=[0.5, 0.0]), bounds="crown+cutoff")
    with pytest.raises(RebuildNeeded, match="only for plans as good") as caught:
        point.update(reference=[0.0, 0.0], rebuild=False)
    assert caught.value.reason is RebuildReason.CUTOFF
    net = r2m.costs.Network(mlp([2, 2, 1], seed=0, scale=1.0))
    assert compiled.update(cost=WIDE.cost + net).rebuilt is RebuildReason.NETWORK


def test_numbers_that_do_not_fit_are_refused() -> None:
    compiled = r2m.compile(WIDE, bounds="crown")
    with pytest.raises(InvalidProblem, match="initial_state has shape"):
        compiled.update(initial_state=[0.0, 0.0, 0.0])
    with pytest.raises(InvalidProblem, match="initial_state has nan"):
        compiled.update(initial_state=[0.0, np.nan])
    with pytest.raises(InvalidProblem, match="target has shape"):
        compiled.update(reference=np.zeros((2, 2)))
    with pytest.raises(InvalidProblem, match="only the numbers of a Trajectory"):
        r2m.compile(r2m.BoxProblem(tiny(), -1, 1, objective=[1.0])).update(initial_state=[0.0])
    with pytest.raises(InvalidProblem, match="not both"):
        compiled.update(problem=WIDE, initial_state=[0.0, 0.0])
    with pytest.raises(TypeError, match="initial_sate"):
        compiled.update(initial_sate=[0.0, 0.0])
