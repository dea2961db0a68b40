"""Data: what is read, and every kind of data that is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from relu2mip.errors import InvalidData, InvalidOption, InvalidProblem, UnknownOption  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Regression,
    Samples,
    Simulation,
    Transitions,
    collect,
    densenet,
    interaction,
    load_data,
    mlp,
)
from tests.frontends.sparsify.models import samples, system  # noqa: E402

RNG = np.random.default_rng(0)
STATE, CONTROL = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 2))
NEXT = np.concatenate([STATE[1:], STATE[:1]])
ONE = np.zeros(20, dtype=int)


def changed(array: np.ndarray, at: tuple, value: float) -> np.ndarray:
    array = array.copy()
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((changed(STATE, (4, 1), np.nan), CONTROL, NEXT), "state has nan in row 4, column 1"),
        ((STATE, changed(CONTROL, (5, 0), np.inf), NEXT), "control has inf in row 5, column 0"),
        ((STATE, CONTROL[:-1], NEXT), r"control \(19, 2\).*give \(N, n\), \(N, m\) and \(N, n\)"),
        ((STATE, CONTROL, NEXT[:, :2]), r"next_state \(20, 2\)"),
        ((STATE[:, None], CONTROL, NEXT), r"state has shape \(20, 1, 3\)"),
        ((changed(STATE, (slice(None), 2), 7.0), CONTROL, NEXT), r"state\[2\] is 7 in every row"),
        ((STATE, changed(CONTROL, (slice(None), 1), 0.5), NEXT), r"control\[1\] is 0.5 in every row"),
        ((STATE, CONTROL, NEXT, ONE[:-1]), "rollout has shape"),
        ((STATE, CONTROL, NEXT, ONE + 0.5), "rollout has .*float64; give 20 whole numbers"),
        ((STATE, CONTROL, NEXT, np.arange(20) % 2), "not all together; sort the rows"),
        (
            (STATE, CONTROL, changed(NEXT, (6, 1), 9.0), ONE),
            r"next_state of row 6 is not .* row 7 \(state\[1\]",
        ),
        ((STATE.astype(str), np.array([["a"] * 2] * 20), NEXT), "control is not an array of numbers"),
        ((STATE[:0], CONTROL[:0], NEXT[:0]), r"state has shape \(0, 3\)"),
    ],
)
def test_transitions_that_cannot_be_used(arrays: tuple, words: str):
    with pytest.raises(InvalidData, match=words):
        Transitions.of(*arrays)


def test_a_column_is_called_by_its_name():
    with pytest.raises(InvalidData, match="angle is 7 in every row"):
        Transitions.of(changed(STATE, (slice(None), 2), 7.0), CONTROL, NEXT, state_names=["x", "v", "angle"])
    with pytest.raises(InvalidData, match="2 state names are given for 3 columns"):
        Transitions.of(STATE, CONTROL, NEXT, state_names=["x", "v"])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((STATE, CONTROL), "trajectories: state has shape"),
        ((np.zeros((2, 5, 3)), np.zeros((2, 5, 1))), r"give \(R, T \+ 1, n\) and \(R, T, m\)"),
        ((np.zeros((2, 6, 3)), np.zeros((2, 5, 1)), [5, 6]), r"length has entries outside 1 \.\.\. 5"),
    ],
)
def test_trajectories_that_cannot_be_used(arrays: tuple, words: str):
    with pytest.raises(InvalidData, match=words):
        Transitions.of_trajectories(*arrays)


def test_trajectories_are_transitions_of_their_lengths():
    states, controls = RNG.normal(size=(2, 4, 1)), RNG.normal(size=(2, 3, 1))
    data = Transitions.of_trajectories(states, controls, [3, 2])
    assert data.rollout.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_allclose(data.next_state[:, 0], [*states[0, 1:, 0], *states[1, 1:3, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((STATE, CONTROL[:3]), "input has 20 rows and output 3"),
        ((STATE, np.ones(20)), r"output\[0\] is 1 in every row"),
    ],
)
def test_samples_that_cannot_be_used(arrays: tuple, words: str):
    with pytest.raises(InvalidData, match=words):
        Samples.of(*arrays)


def test_files(tmp_path: Path):
    path = tmp_path / "data.npz"
    np.savez(path, state=STATE, control=CONTROL, next_state=NEXT, rollout=ONE)
    assert load_data(path, state_names=["a", "b", "c"]).state_names == ("a", "b", "c")
    np.savez(path, state=STATE.reshape(4, 5, 3), control=CONTROL.reshape(4, 5, 2)[:, :4])
    assert len(load_data(path).rollout) == 16
    np.savez(path, input=STATE, output=CONTROL)
    assert isinstance(load_data(path), Samples)
    np.savez(path, state=STATE, action=CONTROL, next_state=NEXT)
    with pytest.raises(UnknownOption, match=r"key of transitions in .* 'action'"):
        load_data(path)
    np.savez(path, state=STATE, next_state=NEXT)
    with pytest.raises(InvalidData, match="has no 'control'"):
        load_data(path)
    path.write_text("no archive")
    with pytest.raises(InvalidData, match=r"cannot be read as \.npz"):
        load_data(path)
    np.savez(path, input=np.array([{}], dtype=object), output=CONTROL)
    with pytest.raises(InvalidData, match=r"cannot be read as \.npz"):
        load_data(path)


def test_the_validation_part_is_whole_rollouts():
    objective = Simulation(system(10), validation=0.2, steps=2)
    assert objective.samples == 8 * 11
    assert Simulation(system(10), validation=0.0).samples == 120
    assert Simulation(system(1), validation=0.25).samples == 9
    assert Regression(samples(100), validation=0.2).samples == 80


def test_windows_stay_within_a_rollout():
    data = system(6, steps=5)
    objective = Simulation(data, window=2, steps=2, validation=0.0)
    assert objective.samples == 6 * 3
    states, controls = objective.inputs()
    assert states.shape == (18, 4)
    assert controls.shape == (18, 2)
    np.testing.assert_array_equal(states[3], data.state[5:7].ravel())
    np.testing.assert_array_equal(controls[5], data.control[7:9].ravel())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"window": 0}, InvalidOption, "at least 1"),
        ({"predicts": "next"}, InvalidOption, "predicts is 'next'"),
        ({"validation": 1.0}, InvalidOption, "validation is 1.0"),
        ({"window": 9, "steps": 9}, InvalidData, "need rollouts of 18 states, and the longest has 13"),
    ],
)
def test_an_objective_out_of_range_is_refused(options: dict, error: type, words: str):
    with pytest.raises(error, match=words):
        Simulation(system(), **options)


def test_networks_out_of_range_are_refused():
    objective = Simulation(system(objects=3))
    with pytest.raises(InvalidOption, match="hidden is"):
        mlp(objective, ())
    with pytest.raises(InvalidOption, match="hidden is"):
        mlp(objective, (4, 0))
    with pytest.raises(InvalidOption, match="growth, layers and blocks"):
        densenet(objective, growth=0)
    with pytest.raises(InvalidProblem, match="6 entries are not two or more objects of 4"):
        interaction(objective, 4)
    with pytest.raises(InvalidProblem, match="6 entries are not two or more objects of 6"):
        interaction(objective, 6)
    with pytest.raises(InvalidProblem, match="give a Simulation"):
        interaction(Regression(samples()), 1)


def test_normalisation_is_inside_the_network():
    """A network sees the same numbers whatever the units of the data."""
    data = system()
    scaled = Transitions.of(1000 * data.state + 5, 0.01 * data.control, 1000 * data.next_state + 5, data.rollout)
    first, second = (Simulation(one) for one in (data, scaled))
    a, b = mlp(first, (8,)), mlp(second, (8,))
    with torch.no_grad():
        torch.testing.assert_close(1000 * a(*first.inputs()), b(*second.inputs()), rtol=1e-2, atol=1e-1)


def test_random_transitions_of_an_environment():
    pytest.importorskip("gymnasium")
    data = collect("CartPole-v1", 60, seed=1)
    assert data.state.shape == (60, 4)
    assert sorted(set(data.control[:, 0])) == [0.0, 1.0]
    assert len(set(data.rollout.tolist())) > 1
    again = collect("CartPole-v1", 60, seed=1)
    assert data.digest == again.digest != collect("CartPole-v1", 60, seed=2).digest
    with pytest.raises(InvalidOption, match="environment is 'CartPole-v9'"):
        collect("CartPole-v9", 10)
    with pytest.raises(InvalidOption, match="transitions is 0"):
        collect("CartPole-v1", 0)
    with pytest.raises(InvalidData, match="states must be vectors"):
        collect("FrozenLake-v1", 10)
