"""Jacobians of systems are those that are known, methods agree, and rollouts come back from a file as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relu2mip.analysis import Rollouts, StepFunction, jacobians
from relu2mip.analysis.environments import system_of
from relu2mip.analysis.system import central_differences
from relu2mip.errors import BackendUnavailable, InvalidData, InvalidProblem, UnknownOption

PENDULUM = """
<mujoco><option timestep="0.01" integrator="{integrator}"/><worldbody><body><joint name="hinge" axis="0 1 0" {joint}/>
<geom type="capsule" fromto="0 0 0 0 0 -1" size="0.05"/></body></worldbody>
<actuator><motor name="torque" joint="hinge" ctrlrange="-1 1" ctrllimited="true"/></actuator></mujoco>
"""


def pendulum(dt: float = 0.05) -> StepFunction:
    def step(x: np.ndarray, u: np.ndarray) -> list[float]:
        speed = x[1] + dt * (-9.81 * np.sin(x[0]) + u[0])
        return [x[0] + dt * speed, speed]

    return StepFunction(step, lambda rng: rng.uniform(-3, 3, 2), [-2.0], [2.0], name="pendulum", seconds=dt)


def test_the_jacobian_of_a_pendulum() -> None:
    dt, system = 0.05, pendulum()
    found = jacobians(system, rollouts=4, steps=25)
    angle = found.states[..., 0]
    slope = -9.81 * dt * np.cos(angle)
    wanted = np.stack([np.stack([1 + dt * slope, 0 * angle + dt], -1), np.stack([slope, 0 * angle + 1], -1)], -2)
    np.testing.assert_allclose(found.by_state, wanted, atol=1e-7)
    np.testing.assert_allclose(found.by_control, np.broadcast_to([[dt * dt], [dt]], (4, 25, 2, 1)), atol=1e-7)


def test_the_jacobian_of_a_linear_system() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 5)), rng.normal(size=(5, 2))
    system = StepFunction(lambda x, u: 0.2 * a @ x + b @ u, np.ones(5), -np.ones(2), np.ones(2))
    found = jacobians(system, rollouts=2, steps=20)
    np.testing.assert_allclose(found.by_state, np.broadcast_to(0.2 * a, (2, 20, 5, 5)), atol=1e-7)
    np.testing.assert_allclose(found.by_control, np.broadcast_to(b, (2, 20, 5, 2)), atol=1e-7)


def test_differences_stay_within_limits() -> None:
    seen = []

    def step(x: np.ndarray) -> np.ndarray:
        seen.append(x.copy())
        return x**2

    found = central_differences(step, np.array([1.0, -1.0]), 1e-6, -1.0, 1.0)
    assert np.abs(seen).max() <= 1.0
    np.testing.assert_allclose(found, np.diag([2.0, -2.0]), atol=1e-5)


@pytest.mark.parametrize("frame_skip", [1, 4])
@pytest.mark.parametrize("joint", ['damping="0.1"', 'type="ball"', 'type="free"'])
def test_transitions_and_differences_of_mujoco_agree(frame_skip: int, joint: str) -> None:
    mujoco = pytest.importorskip("mujoco")
    from relu2mip.analysis.mujoco_system import DIFFERENCES, TRANSITION, MujocoSystem

    model = mujoco.MjModel.from_xml_string(PENDULUM.format(integrator="Euler", joint=joint))
    made = [MujocoSystem(model, frame_skip=frame_skip, method=method) for method in (TRANSITION, DIFFERENCES)]
    found = [jacobians(system, rollouts=2, steps=20) for system in made]
    np.testing.assert_array_equal(found[0].states, found[1].states)
    scale = np.abs(found[0].jacobians).max()
    assert np.abs(found[0].jacobians - found[1].jacobians).max() < 1e-6 * scale


def test_runge_kutta_is_differentiated_through_the_step() -> None:
    mujoco = pytest.importorskip("mujoco")
    from relu2mip.analysis.mujoco_system import DIFFERENCES, TRANSITION, MujocoSystem

    model = mujoco.MjModel.from_xml_string(PENDULUM.format(integrator="RK4", joint=""))
    system = MujocoSystem(model)
    assert system.method == DIFFERENCES
    system.reset(3)
    (angle, speed), dt = system.state, 0.01
    by_state, _ = system.jacobians(np.zeros(1))
    assert system.state.tolist() == [angle, speed]
    np.testing.assert_allclose(by_state[0], [1.0, dt], atol=2e-3)
    with pytest.raises(InvalidProblem, match="RK4"):
        MujocoSystem(model, method=TRANSITION)


@pytest.mark.parametrize("method", ["mjd_transitionFD", "central differences"])
def test_an_unstable_simulation_is_refused(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mujoco = pytest.importorskip("mujoco")
    from relu2mip.analysis.mujoco_system import MujocoSystem

    monkeypatch.chdir(tmp_path)  # where MuJoCo logs its warnings
    model = mujoco.MjModel.from_xml_string(PENDULUM.format(integrator="Euler", joint='stiffness="1e9"'))
    with pytest.raises(InvalidData, match="unstable"):
        jacobians(MujocoSystem(model, method=method), rollouts=1, steps=200)


def test_a_mujoco_environment_of_gymnasium() -> None:
    pytest.importorskip("mujoco")
    system = system_of("HalfCheetah-v5")
    found = jacobians(system, rollouts=1, steps=12)
    assert found.by_state.shape == (1, 12, 18, 18)
    assert found.about["method"] == "mjd_transitionFD"
    x, step = found.states[0], found.next_states[0]
    np.testing.assert_array_equal(x[1:], step[:-1])
    # The Jacobian predicts where a small push leads.
    system.reset(0)
    u, du = np.zeros(6), np.full(6, 1e-4)
    _, by_control = system.jacobians(u)
    one, _ = system.advance(u)
    system.reset(0)
    two, _ = system.advance(du)
    np.testing.assert_allclose(two - one, by_control @ du, atol=2e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_classic_environment_of_gymnasium() -> None:
    found = jacobians(system_of("Pendulum-v1"), rollouts=2, steps=20)
    assert found.state_names == ("state 0", "state 1")
    np.testing.assert_allclose(found.by_state[..., 0, 1], 0.05, atol=1e-6)


def test_a_contact_task_is_sparser_without_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pymunk")
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "examples")
    found = jacobians(system_of("environments:Push-v0"), rollouts=6, steps=30, policy="held")
    touching = found.contacts > 0
    assert 0 < touching.sum() < touching.size
    by_pusher = np.abs(found.jacobians[..., :3, 3:]).max(axis=(-2, -1))
    assert by_pusher[~touching].max() < 1e-6
    assert np.median(by_pusher[touching]) > 1e-3


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    found = jacobians(pendulum(), rollouts=2, steps=5, policy="held", seed=3)
    read = Rollouts.load(found.save(tmp_path / "runs.npz"))
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(read, name), value)
    assert read.about["policy"] == "held"
    again = jacobians(pendulum(), rollouts=2, steps=5, policy="held", seed=3)
    np.testing.assert_array_equal(again.by_state, found.by_state)


def test_policies() -> None:
    class Model:
        def predict(self, observation: np.ndarray, deterministic: bool) -> tuple[np.ndarray, None]:
            return -10 * observation[:1], None

    found = jacobians(pendulum(), rollouts=1, steps=8, policy=Model())
    np.testing.assert_allclose(found.controls[0, :, 0], np.clip(-10 * found.states[0, :, 0], -2, 2))
    assert not jacobians(pendulum(), rollouts=1, steps=3, policy="zero").controls.any()
    scripted = jacobians(pendulum(), rollouts=1, steps=3, policy=lambda system, step, rng: [0.1 * step])
    assert scripted.controls[0, :, 0].tolist() == pytest.approx([0.0, 0.1, 0.2])
    with pytest.raises(UnknownOption, match="random"):
        jacobians(pendulum(), policy="randon")
    with pytest.raises(InvalidProblem, match="policy"):
        jacobians(pendulum(), policy=3)


def test_bad_systems_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidProblem, match="Reacher"):
        system_of("Raecher-v5")
    with pytest.raises(InvalidProblem, match="CartpoleBalance"):
        system_of("playground:CartpoleBalace")
    with pytest.raises(InvalidProblem, match="downloaded"):
        system_of("playground:PandaPickCube")
    with pytest.raises(InvalidProblem, match="folder on the path"):
        system_of("no_such_module:Push-v0")
    with pytest.raises(InvalidProblem, match="Discrete"):
        system_of("CartPole-v1")
    with pytest.raises(InvalidProblem, match="finite"):
        jacobians(StepFunction(lambda x, u: x * np.nan, np.ones(2), [-1], [1]), 1, 1)
    with pytest.raises(InvalidProblem, match="low"):
        StepFunction(lambda x, u: x, np.ones(2), [1], [-1])
    (tmp_path / "no.npz").write_bytes(b"nothing")
    with pytest.raises(InvalidData, match="no rollouts"):
        Rollouts.load(tmp_path / "no.npz")
    found = jacobians(pendulum(), rollouts=1, steps=3)
    bad = found.states.copy()
    bad[0, 1, 0] = np.nan
    with pytest.raises(InvalidData, match="rollout 0, step 1"):
        Rollouts(**{**vars(found), "states": bad})


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mujoco_playground", None)
    with pytest.raises(BackendUnavailable, match="playground"):
        system_of("playground:CartpoleBalance")
