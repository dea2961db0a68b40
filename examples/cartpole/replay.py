"""Replay a plan's controls in gymnasium's CartPole-v1.

The simulator is the ground truth that a plan through the learned model is compared with. A state is position
(m), velocity (m/s), angle (rad) and angular velocity (rad/s); a control of -1 or +1 is a force of -10 or
+10 N, held for one step of 0.02 s.
"""

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray


def replay(initial_state: ArrayLike, controls: ArrayLike) -> NDArray[np.float64]:
    """The states (H + 1, 4) from ``initial_state`` (4,) under ``controls`` (H,) or (H, 1), each -1 or +1.

    The episode is not ended: the simulator's equations of motion are the same beyond its termination limits.
    Raises ValueError for a state that is not four finite numbers or a control that is not -1 or +1 (to 1e-6,
    so that a solver's 0.9999999 is taken as 1).

    >>> replay([0.0, 0.0, 0.1, 0.0], [1.0, -1.0]).shape
    (3, 4)
    """
    state = np.asarray(initial_state, dtype=np.float64)
    forces = np.asarray(controls, dtype=np.float64).reshape(-1)
    if state.shape != (4,) or not np.isfinite(state).all():
        raise ValueError(f"the initial state must be 4 finite numbers, got {state}")
    off = np.flatnonzero(~np.isclose(np.abs(forces), 1.0, rtol=0.0, atol=1e-6))
    if off.size:
        raise ValueError(f"the control at step {off[0]} is {forces[off[0]]}; CartPole takes only -1 and +1")

    simulator = gymnasium.make("CartPole-v1").unwrapped
    # Infinite limits: no step is past the end of the episode, so the simulator has nothing to warn about.
    simulator.x_threshold = simulator.theta_threshold_radians = np.inf
    simulator.reset()
    simulator.state = state
    states = [state]
    for force in forces:
        simulator.step(int(force > 0.0))
        states.append(simulator.state)
    return np.array(states)
