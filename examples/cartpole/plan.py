"""Plan a swing of a learned CartPole back to upright, and see what the simulator makes of the plan.

    python examples/cartpole/plan.py

The problem is that of problem.toml, written in Python.
"""

from pathlib import Path

import numpy as np
from replay import replay

import relu2mip as r2m
from relu2mip.plots.plan import plot_answer

HERE = Path(__file__).parent

net = r2m.load(HERE / "dynamics.onnx")  # (state, control) -> change of state; see train.py
upright = np.zeros(4)
limits = np.array([1.5, 3.0, 0.5, 3.5])

problem = r2m.Trajectory(
    net,
    horizon=10,
    initial_state=[0.0, -0.4, 0.1, 0.35],  # the pole leans to the right and falls, the cart rolls left
    predicts="change",
    states=r2m.Box(-limits, limits),
    controls=r2m.Finite([[-1.0, 1.0]]),  # a force of -10 or +10 N
    cost=r2m.costs.L1(target=upright, state=[0.1, 0.05, 1.0, 0.1], terminal=[0.0, 0.0, 5.0, 1.0]),
    state_names=["position", "velocity", "angle", "angular velocity"],
    control_names=["force"],
)
answer = r2m.solve(problem, backend="highs", time_limit=60)
print(f"{answer.status}: objective {answer.objective:.4f}, proven bound {answer.bound:.4f}, {answer.seconds:.1f} s")
print(f"largest error of the replay through onnxruntime: {answer.check.max_error:.1e}")

simulated = replay(problem.initial_state, answer.controls)
print("force        ", *(f"{force:7.0f}" for force in answer.controls[:, 0]))
for name, planned, actual in zip(answer.state_names, answer.states.T, simulated.T, strict=True):
    print(name)
    print("    planned  ", *(f"{value:7.3f}" for value in planned))
    print("    simulated", *(f"{value:7.3f}" for value in actual))

print("picture:", plot_answer(answer, "cartpole.png", problem=problem, replay=simulated))
