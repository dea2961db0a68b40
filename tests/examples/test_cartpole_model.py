"""The CartPole example: its committed models, problem and replay, against gymnasium's simulator."""

import importlib.util
import itertools
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

pytest.importorskip("gymnasium")

EXAMPLE = Path(__file__).parents[2] / "examples" / "cartpole"
PROBLEM = tomllib.loads((EXAMPLE / "problem.toml").read_text(encoding="utf-8"))
HELD_OUT_SEED = 20_000


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cartpole_{name}", EXAMPLE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


replay = load("replay").replay
collect = load("collect").collect


class Model:
    """An exported network, rolled out step by step in onnxruntime."""

    def __init__(self, path: Path) -> None:
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def change(self, states: NDArray, controls: NDArray) -> NDArray:
        inputs = np.column_stack([states, controls]).astype(np.float32)
        return self.session.run(["change"], {"state_control": inputs})[0].astype(np.float64)

    def rollout(self, initial_states: NDArray, controls: NDArray) -> NDArray:
        """States (N, H + 1, 4) from initial states (N, 4) under controls (N, H)."""
        states = [initial_states]
        for control in controls.T:
            states.append(states[-1] + self.change(states[-1], control))
        return np.stack(states, axis=1)


def l1_cost(states: NDArray) -> NDArray:
    """The cost of problem.toml for states (..., H + 1, 4): state terms on x[1] … x[H], terminal on x[H]."""
    (cost,) = PROBLEM["costs"]
    assert cost["kind"] == "l1"
    assert not any(cost["control"])
    deviation = np.abs(states - np.array(cost["target"]))
    return (deviation[..., 1:, :] @ cost["state"]).sum(axis=-1) + deviation[..., -1, :] @ cost["terminal"]


@pytest.fixture(scope="module")
def sequences() -> NDArray:
    """All 1,024 control sequences (1024, 10)."""
    (values,) = PROBLEM["controls"]["values"]
    return np.array(list(itertools.product(values, repeat=PROBLEM["horizon"])))


@pytest.fixture(scope="module")
def predicted(sequences: NDArray) -> NDArray:
    """The model's states (1024, 11, 4) from the problem's initial state under every sequence."""
    initial = np.tile(PROBLEM["initial_state"], (len(sequences), 1))
    return Model(EXAMPLE / PROBLEM["network"]).rollout(initial, sequences)


@pytest.fixture(scope="module")
def best(predicted: NDArray) -> int:
    """The index of the cheapest sequence whose predicted states stay in the state box."""
    lower, upper = np.array(PROBLEM["states"]["lower"]), np.array(PROBLEM["states"]["upper"])
    inside = ((predicted >= lower) & (predicted <= upper)).all(axis=(1, 2))
    assert inside.any()
    return int(np.where(inside, l1_cost(predicted), np.inf).argmin())


@pytest.mark.parametrize("network", ["dynamics.onnx", "dynamics_2x16.onnx", "dynamics_2x32.onnx"])
def test_model_predicts_held_out_transitions(network: str) -> None:
    """After one and ten steps: root mean square error below 1 % of the spread of the true change."""
    held_out = collect(rollouts=200, steps=10, seed=HELD_OUT_SEED)
    model = Model(EXAMPLE / network)

    change = held_out["next_state"] - held_out["state"]
    error = model.change(held_out["state"], held_out["action"]) - change
    assert (np.sqrt((error**2).mean(axis=0)) < 0.01 * change.std(axis=0)).all()

    full = [np.flatnonzero(held_out["rollout"] == r) for r in np.unique(held_out["rollout"])]
    full = np.array([steps for steps in full if len(steps) == 10])
    assert len(full) > 50
    initial, final = held_out["state"][full[:, 0]], held_out["next_state"][full[:, -1]]
    error = model.rollout(initial, held_out["action"][full])[:, -1] - final
    assert (np.sqrt((error**2).mean(axis=0)) < 0.01 * (final - initial).std(axis=0)).all()


def test_model_takes_any_batch_and_concatenated_input() -> None:
    session = onnxruntime.InferenceSession(EXAMPLE / "dynamics.onnx", providers=["CPUExecutionProvider"])
    (state_control,), (change,) = session.get_inputs(), session.get_outputs()
    assert (state_control.name, state_control.shape[1]) == ("state_control", 5)
    assert (change.name, change.shape[1]) == ("change", 4)
    assert isinstance(state_control.shape[0], str)


def test_best_plan_brings_cart_and_pole_to_rest_upright(predicted: NDArray, sequences: NDArray, best: int) -> None:
    plan = predicted[best]
    assert (plan[0, [2, 3]] > 0.05).all()  # leaning and falling
    assert (np.abs(plan[-1, 1:]) < [0.05, 0.01, 0.05]).all()
    assert set(sequences[best]) == {-1.0, 1.0}  # pushes under the pole, then brakes
    costs = np.sort(l1_cost(predicted))
    assert costs[1] > 1.01 * costs[0]  # the optimum stands out by far more than a solver's tolerances


def test_best_plan_in_the_simulator_stays_near_its_prediction(
    predicted: NDArray, sequences: NDArray, best: int
) -> None:
    simulated = replay(PROBLEM["initial_state"], sequences[best])
    assert simulated.shape == (PROBLEM["horizon"] + 1, 4)
    assert np.abs(simulated - predicted[best]).max() < 0.02
    assert abs(simulated[-1, 2]) < 0.01


def test_best_plan_is_also_best_in_the_simulator(sequences: NDArray, best: int) -> None:
    simulated = np.array([replay(PROBLEM["initial_state"], controls) for controls in sequences])
    assert l1_cost(simulated).argmin() == best


def test_replay_repeats_collected_rollouts() -> None:
    transitions = collect(rollouts=5, seed=HELD_OUT_SEED)
    for rollout in range(5):
        mine = transitions["rollout"] == rollout
        states = replay(transitions["state"][mine][0], transitions["action"][mine, None])
        np.testing.assert_array_equal(states[1:], transitions["next_state"][mine])


def test_collect_is_reproducible_and_seeded() -> None:
    first, again, other = collect(5, seed=1), collect(5, seed=1), collect(5, seed=2)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["state"][0], other["state"][0])


@pytest.mark.parametrize(
    ("initial_state", "controls", "message"),
    [
        ([0.0, 0.0, 0.1, 0.0], [1.0, 0.5], "control at step 1 is 0.5"),
        ([0.0, 0.0, 0.1, 0.0], [float("nan")], "control at step 0 is nan"),
        ([0.0, 0.0, 0.1], [1.0], "initial state must be 4 finite numbers"),
        ([0.0, 0.0, float("inf"), 0.0], [1.0], "initial state must be 4 finite numbers"),
    ],
)
def test_replay_refuses_what_cartpole_cannot_take(initial_state: list, controls: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replay(initial_state, controls)
