"""Collect transitions of gymnasium's CartPole-v1 under random controls.

    python examples/cartpole/collect.py transitions.npz --rollouts 3000 --seed 0

The file holds, for N transitions: ``state`` (N, 4), ``action`` (N,) as -1 or +1 (a force of -10 or +10 N),
``next_state`` (N, 4) and ``rollout`` (N,), the number of the rollout that each transition belongs to.
"""

import argparse
from pathlib import Path

import gymnasium
import numpy as np
from numpy.typing import NDArray

INITIAL_SPREAD = np.array([1.0, 1.5, 0.25, 1.5])  # initial states are uniform in plus or minus this
ANGLE_LIMIT = 0.5  # rad; CartPole-v1 stops at 0.21, but its equations of motion hold beyond


def collect(rollouts: int = 3000, steps: int = 20, seed: int = 0) -> dict[str, NDArray]:
    """Transitions from ``rollouts`` rollouts of at most ``steps`` steps, each from a random initial state.

    A rollout ends where the cart leaves the track or the pole passes ANGLE_LIMIT.
    """
    rng = np.random.default_rng(seed)
    simulator = gymnasium.make("CartPole-v1").unwrapped
    simulator.theta_threshold_radians = ANGLE_LIMIT
    transitions = []
    for rollout in range(rollouts):
        simulator.reset()
        simulator.state = rng.uniform(-INITIAL_SPREAD, INITIAL_SPREAD)
        for action in rng.integers(2, size=steps):
            state = simulator.state
            _, _, terminated, _, _ = simulator.step(int(action))
            transitions.append((state, 2.0 * action - 1.0, simulator.state, rollout))
            if terminated:
                break
    state, action, next_state, rollout = zip(*transitions, strict=True)
    return {
        "state": np.array(state),
        "action": np.array(action),
        "next_state": np.array(next_state),
        "rollout": np.array(rollout),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Collect CartPole-v1 transitions into an .npz file.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--rollouts", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=20, help="longest rollout")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    transitions = collect(arguments.rollouts, arguments.steps, arguments.seed)
    np.savez_compressed(arguments.path, **transitions)
    low, high = transitions["state"].min(axis=0), transitions["state"].max(axis=0)
    print(f"{len(transitions['state'])} transitions; states from {low.round(2)} to {high.round(2)}")


if __name__ == "__main__":
    main()
