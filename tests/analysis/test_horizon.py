"""What is proven absent over a horizon is absent at sampled plans, and effects are the derivatives of rollouts."""

from __future__ import annotations

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.analysis import certified_dependencies
from relu2mip.errors import InvalidProblem
from relu2mip.ir.samples import integrator, tiny
from tests.analysis.test_certified import blocks
from tests.bounds.test_bounds import trajectory
from tests.forms import mlp


@pytest.mark.parametrize("net", [mlp([4, 8, 8, 3], seed=3), integrator()])
def test_effects_hold_those_of_sampled_plans(net: r2m.Graph) -> None:
    n = net.output_size
    controls, states = r2m.Box(-1, 1), r2m.Box(-2, 2)
    problem = r2m.Trajectory(net, 4, np.zeros(n), controls, predicts="change", states=states)
    found = certified_dependencies(problem)
    rng, step = np.random.default_rng(0), 1e-6
    for _ in range(50):
        u = rng.uniform(-0.3, 0.3, (4, 1))
        if np.abs(problem.rollout(u)).max() > 1.9:
            continue
        for s in range(4):
            up, down = u.copy(), u.copy()
            up[s] += step
            down[s] -= step
            slope = (problem.rollout(up) - problem.rollout(down)) / (2 * step)
            assert (slope >= found.control_lower[:, :, s, 0] - 1e-6).all()
            assert (slope <= found.control_upper[:, :, s, 0] + 1e-6).all()
            assert np.abs(slope[found.control_absent[:, :, s, 0]]).max(initial=0.0) < 1e-8


def test_nothing_depends_on_what_comes_later() -> None:
    found = certified_dependencies(trajectory(5))
    later = np.arange(6)[:, None] < np.arange(6)
    assert found.state_absent.transpose(0, 2, 1, 3)[later].all()
    assert found.control_absent.transpose(0, 2, 1, 3)[np.arange(6)[:, None] <= np.arange(5)].all()
    same = np.arange(6)
    np.testing.assert_array_equal(found.state_lower[same, :, same], np.broadcast_to(np.eye(2), (6, 2, 2)))


def test_the_control_of_an_integrator_takes_two_steps_to_its_position() -> None:
    found = certified_dependencies(trajectory(4))
    assert found.delay().tolist() == [[2.0], [1.0]]
    graph = found.to_networkx()
    assert graph.has_edge((0, "control 0"), (1, "state 1"))
    assert not graph.has_edge((0, "control 0"), (1, "state 0"))


def test_a_chain_of_two_systems_has_no_way_back() -> None:
    net = blocks([3, 8, 2])  # the next states 0 and 1 read states 0 to 2; 2 and 3 read state 3 and the controls
    problem = r2m.Trajectory(net, 3, np.zeros(4), r2m.Box(-1, 1), states=r2m.Box(-5, 5))
    found = certified_dependencies(problem)
    assert found.delay().tolist() == [[2, 2], [2, 2], [1, 1], [1, 1]]
    assert found.state_absent[1:, 2:, 0, :3].all()
    assert not found.state_absent[1, :2, 0, :3].any()
    assert str(found.grade) == "certified"


def test_only_trajectories_have_a_horizon() -> None:
    with pytest.raises(InvalidProblem, match="Trajectory"):
        certified_dependencies(r2m.BoxProblem(tiny(), -1, 1, [1.0]))  # type: ignore[arg-type]
