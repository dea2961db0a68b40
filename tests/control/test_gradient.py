"""The gradient planner descends alike whether numpy or torch runs the network."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.arrays import Array
from relu2mip.control import Controller, Gradient, planner, simulate
from relu2mip.errors import InvalidOption, Relu2MipError
from relu2mip.incumbent.climb import Climbing, climb, climbed
from relu2mip.incumbent.space import Batched, Met, Space
from tests.control_problems import POINT, model
from tests.forms import mlp

RANDOM = r2m.Trajectory(
    mlp([5, 16, 16, 3], seed=4, scale=0.7), horizon=6, initial_state=[0.4, -0.2, 0.1], predicts="change",
    controls=r2m.Box(-1, 1), states=r2m.Box(-9, 9), control_rate=r2m.Box(-0.8, 0.8), previous_controls=[0.0, 0.0],
    cost=r2m.costs.L1(state=1.0, control=0.1, target=0.5), constraints=[r2m.Linear(state=[[1.0, 1.0, 0.0]], upper=3.0)],
)  # fmt: skip


@pytest.mark.parametrize("problem", [RANDOM, replace(RANDOM, controls=r2m.Finite([-1.0, 0.0, 1.0]))])
@pytest.mark.parametrize("seed", [0, 1])
def test_both_engines_make_the_same_descents(problem: r2m.Trajectory, seed: int) -> None:
    pytest.importorskip("torch")
    objective = problem.unrolled.objective()
    met: dict[str, list[float]] = {"numpy": [], "torch": []}
    for engine, costs in met.items():
        for steps in (1, 5, 20):
            chosen = Climbing(starts=8, steps=steps, restarts=2, seed=seed, engine=engine)
            found = climb(objective, objective.box, chosen, block=problem.m)
            costs += [found.cost, found.violation, *np.concatenate([found.inputs[k] for k in sorted(found.inputs)])]
    np.testing.assert_allclose(met["torch"], met["numpy"], rtol=1e-9, atol=1e-9)


def test_a_start_is_never_lost_and_plans_are_judged_in_numpy() -> None:
    pytest.importorskip("torch")
    objective = RANDOM.unrolled.objective()
    begin = climb(objective, objective.box, Climbing(starts=4, steps=10, restarts=1), block=2)
    after = climb(objective, objective.box, Climbing(starts=1, steps=1, restarts=1, engine="torch"), start=begin)
    assert not begin.better_than(after)
    assert objective.evaluate({name: x[None] for name, x in after.inputs.items()})[0][0] == after.cost


def test_the_worst_descents_are_given_up_and_each_round_has_more_of_them() -> None:
    objective = RANDOM.unrolled.objective()
    met, sizes = Met(Space.of(objective, objective.box, 2)), list[int]()

    def looked(points: Array) -> Batched:
        sizes.append(len(points))
        return Met.look(met, points)

    met.look = looked  # type: ignore[method-assign]
    assert len(list(climbed(met, Climbing(starts=32, steps=10, restarts=4)))) == 4 * (3 + 10)
    rounds = [[count, count, count // 4, *5 * [count // 16]] for count in (32, 64, 128, 128)]
    assert sizes == [size for sizes in rounds for size in sizes]


def test_many_starts_end_lower_and_nearer_to_each_other_than_few() -> None:
    objective = RANDOM.unrolled.objective()
    costs = {
        starts: [climb(objective, objective.box, Climbing(starts, 60, 1, seed=seed), block=2).cost for seed in range(5)]
        for starts in (2, 128)
    }
    assert max(costs[128]) < min(costs[2])
    assert np.ptp(costs[128]) < np.ptp(costs[2])


def test_the_loop_runs_in_torch() -> None:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    controller = Controller(POINT, "gradient(engine=torch,device=auto)", period=0.3)
    run = simulate(controller, model(), 10, initial_state=[2.0, 0.0])
    assert run.planned == 1.0
    assert np.abs(run.states[-1]).max() < 0.2
    assert torch.get_num_threads() == threads


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "relu2mip.normal_form.tensors", raising=False)
    with pytest.raises(Relu2MipError, match=r'engine="torch" needs torch: .*pip install "relu2mip\[torch\]"'):
        Gradient(engine="torch").prepared(replace(RANDOM, horizon=4))
    controller = Controller(replace(POINT, horizon=3), "gradient(engine=torch)", period=0.3)
    with pytest.raises(Relu2MipError, match=r"relu2mip\[torch\]"):
        simulate(controller, model(), 3, initial_state=[1.0, 0.0])


def test_without_a_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Relu2MipError, match='device="cpu" or "auto"'):
        Gradient(engine="torch", device="cuda").prepared(replace(RANDOM, horizon=5))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gradient(engine=jax)", "engine is 'jax'; give numpy, torch"),
        ("gradient(engine=torch,device=tpu)", "device is 'tpu'; give cpu, cuda, auto"),
        ("gradient(device=cuda)", 'numpy has no device .cuda.; give engine="torch" as well'),
        ("gradient(starts=0)", "starts is 0; give at least 1"),
        ("gradient(rate=-1)", "rate is -1"),
    ],
)
def test_options_that_do_not_fit_are_errors(spec: str, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        planner(spec)
    assert str(planner("gradient(engine=torch)")) == "gradient(engine=torch)"
