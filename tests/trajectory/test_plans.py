"""Plans are optimal: every cost and set against all sequences of discrete controls, on every backend."""

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.ir.samples import integrator
from tests.brute_force import best_sequence
from tests.forms import mlp

C = r2m.costs
THREE = r2m.Finite([[-1.0, 0.0, 1.0]])
KEYPOINTS = ([[1.0, 0.5], [1.0, -0.5]], [0.1, 0.0])
REFERENCE = np.stack([np.linspace(0.9, 0.3, 4), np.full(4, -0.2)], axis=1)


def plan(**changes: object) -> r2m.Trajectory:
    settings: dict = {
        "net": integrator(),
        "horizon": 4,
        "initial_state": [1.0, 0.5],
        "predicts": "change",
        "controls": THREE,
        "states": r2m.Box(-3, 3),
        "cost": C.L1(target=[0.3, 0.0], state=[1.0, 0.5], control=0.1),
    }
    return r2m.Trajectory(**{**settings, **changes})


PROBLEMS = {
    "l1": plan(),
    "l1 terminal and rate": plan(cost=C.L1(state=1.0, terminal=[3.0, 1.0], control_rate=0.3)),
    "l1 rate from a known control": plan(cost=C.L1(state=1.0, control_rate=0.5), previous_controls=[1.0]),
    "l1 reference": plan(cost=C.L1(target=REFERENCE, state=[1.0, 0.2])),
    "l1 keypoints": plan(cost=C.L1(target=[0.2, 0.1], state=1.0, keypoints=KEYPOINTS)),
    "linf": plan(cost=C.LInf(target=[0.3, 0.0], state=[1.0, 0.5], control=0.1, terminal=2.0)),
    "quadratic": plan(cost=C.Quadratic(target=[0.3, 0.0], state=[1.0, 0.5], control=0.1)),
    "quadratic matrix": plan(cost=C.Quadratic(target=[0.3, 0.0], state=[[2.0, 0.5], [0.5, 1.0]], terminal=3.0)),
    "quadratic keypoints and rate": plan(cost=C.Quadratic(state=1.0, keypoints=KEYPOINTS, control_rate=0.2)),
    "sum": plan(cost=C.L1(state=1.0) + C.LInf(target=0.5, state=[0.0, 2.0]) + C.Quadratic(control=0.2)),
    "network of the state": plan(cost=C.Network(mlp([2, 4, 1], seed=4), weight=2.0, terminal=1.0)),
    "network of state and control": plan(cost=C.Network(mlp([3, 4, 1], seed=5)) + C.L1(state=0.1)),
    "two values": plan(controls=r2m.Finite([[-1.0, 1.0]])),
    "state box": plan(states=r2m.Box([0.2, -0.6], [1.3, 0.6])),
    "state box by step": plan(states=r2m.Box(-3, [[3, 3], [3, 3], [1.1, 3], [1.0, 3]])),
    "terminal box": plan(terminal=r2m.Box([-3.0, -0.1], [3.0, 0.1])),
    "terminal inequality": plan(terminal=r2m.Linear(state=[[1.0, 1.0]], upper=0.9)),
    "control rate": plan(control_rate=r2m.Box(-1, 1), previous_controls=[1.0]),
    "linear": plan(constraints=[r2m.Linear(state=[[0.0, 1.0]], control=[[0.3]], lower=-0.4, steps=[1, 2])]),
    "next state": plan(net=mlp([3, 5, 2], seed=7), predicts="state", states=r2m.Box(-9, 9)),
    "normalised": plan(
        normalisation=r2m.Normalisation(state=([0.5, 0.0], [2.0, 1.5]), control=(0.0, 2.0), output=(0.1, [0.5, 2.0])),
    ),
    "normalised next state": plan(
        net=mlp([3, 5, 2], seed=8), predicts="state", normalisation=r2m.Normalisation(state=(1.0, [2.0, 0.5])),
        states=r2m.Box(-20, 20),
    ),
    "window of two": plan(
        net=mlp([6, 6, 2], seed=9), window=2, initial_state=[[0.8, 0.4], [1.0, 0.5]], previous_controls=[0.5],
        states=r2m.Box(-30, 30),
    ),
    "l1 weights and targets by step": plan(
        cost=C.L1(
            target=[0.3, 0.0], state=[[0.0, 0.0], [1.0, 0.0], [2.0, 0.5], [0.0, 3.0]],
            control=[[0.0], [0.2], [1.0], [0.1]], control_target=[[0.0], [1.0], [-0.5], [0.0]],
            control_rate=[[1.0], [0.0], [0.3], [0.2]],
        ),
    ),
    "linf weights by step": plan(cost=C.LInf(target=0.3, state=[[0, 1], [2, 1], [0, 0], [1, 3]], control=0.1)),
    "quadratic weights and targets by step": plan(
        cost=C.Quadratic(state=[[0, 1], [2, 1], [0, 0], [1, 3]], control=[[0.1]] * 4, control_target=0.5, terminal=1.0)
    ),
    "terminal point": plan(terminal=[0.75, -0.5], states=r2m.Box(-3, 3)),
    "terminal pair and inequality": plan(terminal=[r2m.Box([-3, -0.6], [3, 0.1]), r2m.Linear([[1.0, 1.0]], upper=0.9)]),
    "delay": plan(delay=2, previous_controls=[[0.7], [-0.9]]),
    "delay and rate": plan(
        delay=1, previous_controls=[0.7], control_rate=(-1.2, 1.2), cost=C.L1(state=1, control_rate=0.2)
    ),
    "window and delay": plan(
        net=mlp([6, 6, 2], seed=9), window=2, delay=1, initial_state=[[0.8, 0.4], [1.0, 0.5]],
        previous_controls=[[0.5], [-0.5]], states=r2m.Box(-30, 30),
    ),
    "known signal": plan(
        net=mlp([5, 6, 2], seed=11), predicts="state", states=r2m.Box(-9, 9),
        inputs={"x": ["states", "wind", "controls"]},
        known={"wind": [[0.5, 0.1], [1.0, -1.0], [-2.0, 0.3], [0.0, 0.0]]},
    ),
    "two controls": plan(net=mlp([4, 5, 2], seed=10), horizon=2, controls=r2m.Finite([[-1, 1], [0, 0.5, 1]])),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_plan_is_the_best_of_all_sequences(name: str, backend: str) -> None:
    problem = PROBLEMS[name]
    best, controls = best_sequence(problem)
    answer = r2m.solve(problem, backend, gap=1e-7)
    assert answer.objective == pytest.approx(best, rel=1e-5, abs=1e-6)
    assert answer.bound <= best + 1e-5 * max(1.0, abs(best))
    assert answer.has_plan
    assert answer.sound
    assert answer.controls.shape == controls.shape
    assert answer.states.shape == (problem.horizon + 1, problem.n)
    np.testing.assert_allclose(problem.rollout(answer.controls), answer.states, atol=1e-5)
    assert problem.evaluate_cost(answer.states, answer.controls) == answer.objective
    assert len(answer.check.errors["graph"]) == problem.horizon


@pytest.mark.parametrize("formulation", ["big-m", "regions", "convex-hull"])
@pytest.mark.parametrize("name", ["known signal", "window and delay", "l1 weights and targets by step"])
def test_other_formulations_find_it_too(name: str, formulation: str) -> None:
    best, _ = best_sequence(PROBLEMS[name])
    answer = r2m.solve(PROBLEMS[name], formulation=formulation, gap=1e-7)
    assert answer.objective == pytest.approx(best, rel=1e-5, abs=1e-6)


def test_a_delay_lets_controls_act_later() -> None:
    problem, u = PROBLEMS["delay"], [[0.5], [-0.5], [0.25], [1.0]]
    x = [np.array([1.0, 0.5])]
    for acting in ([0.7], [-0.9], u[0], u[1]):
        x.append(x[-1] + problem.net.evaluate(np.r_[x[-1], acting])["y"])
    np.testing.assert_allclose(problem.rollout(u), x)
    with pytest.raises(r2m.errors.InvalidProblem, match="a delay of 2 needs 2 finite past controls"):
        plan(delay=2, previous_controls=[1.0])


def test_a_known_signal_is_read_step_by_step() -> None:
    problem, u = PROBLEMS["known signal"], np.array([[0.5], [-0.5], [0.25], [1.0]])
    x = [np.array([1.0, 0.5])]
    for t in range(4):
        x.append(problem.net.evaluate(np.r_[x[-1], problem.signals["wind"][t], u[t]])["y"])
    np.testing.assert_allclose(problem.rollout(u), x)
    constant = plan(
        net=problem.net,
        predicts="state",
        inputs={"x": ["states", "a", "b", "controls"]},
        known={"a": 0.5, "b": [1, 2, 3, 4]},
    )
    np.testing.assert_array_equal(constant.signals["a"], np.full((4, 1), 0.5))
    np.testing.assert_array_equal(constant.signals["b"], [[1], [2], [3], [4]])


def test_controls_of_both_kinds(backend: str) -> None:
    """The first control switches, the second is free: no worse than its grid, and as good as for each choice."""
    net, box, switch = mlp([4, 5, 2], seed=10), r2m.Box(0, 1), r2m.Finite([-1, 1])
    both = plan(net=net, horizon=2, controls=[switch, box])
    answer = r2m.solve(both, backend, gap=1e-7)
    assert set(answer.controls[:, 0].tolist()) <= {-1.0, 1.0}
    grid, _ = best_sequence(plan(net=net, horizon=2, controls=r2m.Finite([[-1, 1], np.linspace(0, 1, 9)])))
    assert answer.objective <= grid + 1e-6
    fixed = [
        r2m.solve(plan(net=net, horizon=2, controls=([[a, 0], [b, 0]], [[a, 1], [b, 1]])), backend, gap=1e-7).objective
        for a in (-1, 1) for b in (-1, 1)
    ]  # fmt: skip
    assert answer.objective == pytest.approx(min(fixed), abs=1e-5)


def test_an_initial_box_is_optimised_over(backend: str) -> None:
    """Where the start is free, the plan starts where it is best."""
    fixed = [r2m.solve(plan(initial_state=[p, 0.5], horizon=2), backend).objective for p in np.linspace(0, 1, 11)]
    free = r2m.solve(plan(initial_state=r2m.Box([0.0, 0.5], [1.0, 0.5]), horizon=2), backend)
    assert free.objective <= min(fixed) + 1e-6
    assert 0.0 <= free.states[0, 0] <= 1.0
    assert free.has_plan


def test_continuous_controls_are_no_worse_than_a_fine_grid(backend: str) -> None:
    grid = plan(controls=r2m.Finite([np.linspace(-1, 1, 9).tolist()]), horizon=3)
    answer = r2m.solve(plan(controls=r2m.Box(-1, 1), horizon=3), backend)
    best, _ = best_sequence(grid)
    assert best - 0.2 <= answer.objective <= best + 1e-6


def test_named_inputs_are_read_as_stated(backend: str) -> None:
    """The same dynamics with two named inputs, in their default order and stated in the other one."""
    from relu2mip.ir import Graph, Node, Port, Rearrange

    one = integrator()
    body = tuple(Node(n.name, n.op, tuple("joined" if k == "x" else k for k in n.inputs), n.shape) for n in one.nodes)
    default = Graph(
        "two", (Port("s", (2,)), Port("a", (1,))), one.outputs,
        (Node("joined", Rearrange(np.arange(3)), ("s", "a"), (3,)), *body),
    )  # fmt: skip
    swapped = Graph("swapped", (Port("a", (1,)), Port("s", (2,))), one.outputs, default.nodes)
    expected = r2m.solve(plan(), backend).objective
    assert r2m.solve(plan(net=default), backend).objective == pytest.approx(expected, abs=1e-6)
    stated = plan(net=swapped, inputs={"a": ["controls"], "s": ["state[0]"]})
    assert r2m.solve(stated, backend).objective == pytest.approx(expected, abs=1e-6)
    with pytest.raises(r2m.errors.InvalidProblem, match="state its layout with inputs="):
        plan(net=swapped)


def test_an_emitted_model_has_the_handles_of_every_step(backend: str) -> None:
    compiled = r2m.compile(plan(horizon=12), bounds="crown")
    emitted = compiled.emit(backend)
    assert [len(emitted.states), len(emitted.controls)] == [13, 12]
    assert all(np.shape(x) == (2,) for x in emitted.states)
    positions = compiled.model.values["t11.control"]
    names = [compiled.model.column_names[i] for i in positions]
    assert names == ["t11.control[0]"]
    assert str(emitted.controls[11]) == str(emitted.handle("t11.control"))
    box = r2m.compile(r2m.BoxProblem(integrator(), -1, 1, [1.0, 0.0])).emit(backend)
    assert box.states == box.controls == []


def test_unsound_bounds_are_said_to_be_so(backend: str) -> None:
    rng = np.random.default_rng(0)
    samples = {"state": rng.uniform(-3, 3, (5000, 2)), "control": rng.uniform(-1, 1, (5000, 1))}
    answer = r2m.solve(plan(), backend, bounds=r2m.bounds.Data(samples=samples, margin=0.1))
    assert not answer.sound
    assert answer.bounds[-1] == "data(samples,margin=0.1)"


def test_a_batch_rolls_out_as_its_members_do() -> None:
    problem = PROBLEMS["window of two"]
    controls = np.random.default_rng(0).uniform(-1, 1, (5, 4, 1))
    batch = problem.rollout(controls)
    for k in range(5):
        np.testing.assert_allclose(problem.rollout(controls[k]), batch[k])
        assert problem.evaluate_cost(batch, controls)[k] == pytest.approx(problem.evaluate_cost(batch[k], controls[k]))
