"""Do all tools mean the same problem? Solve small ones to optimality with each and compare the optimal costs.

An independent reference is a grid of controls rolled out through the network: no optimum lies above its best
point. Exit code 1 when two tools differ by more than the tolerance, or one lies above the grid.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import tools
from problems import CONTROLS, Outcome, Problem, evaluate, random_problem, read_layers

TOLERANCE = 1e-5


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description="Compare the optimal costs of all installed tools.")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--horizon", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--time-limit", type=float, default=60.0)
    options = parser.parse_args()
    installed, missing = tools.load(list(tools.MODULES))
    tools.announce(installed, missing)

    agree = True
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            problem = random_problem(Path(folder), options.width, options.horizon, seed)
            grid = best_on_grid(problem)
            print(f"2×{options.width}, H = {problem.horizon}, seed {seed}: best of a control grid {grid:.6f}")
            costs = [
                cost
                for name, tool in installed.items()
                if (cost := optimal_cost(name, tool, problem, options.time_limit)) is not None
            ]
            if len(costs) < 2:
                print("  fewer than two tools solved it: nothing to compare")
                continue
            spread = max(costs) - min(costs)
            same = spread <= TOLERANCE * max(1.0, abs(grid)) and max(costs) <= grid + TOLERANCE
            print(f"  {'agree' if same else 'DIFFER'}, spread {spread:.1e} over {len(costs)} tools")
            agree &= same
    return 0 if agree else 1


def optimal_cost(name: str, tool: ModuleType, problem: Problem, time_limit: float) -> float | None:
    """Print what one tool finds; its cost, or None where it did not prove an optimum."""
    try:
        outcome: Outcome = tool.solve(tool.build(problem), time_limit, TOLERANCE / 100)
    except RuntimeError as error:
        print(f"  {name:24}{error}")
        return None
    gap = outcome.objective - outcome.bound
    proven = math.isfinite(gap) and gap <= TOLERANCE * max(1.0, abs(outcome.objective))
    print(
        f"  {name:24}{outcome.objective:.6f}  bound {outcome.bound:.6f}  {outcome.seconds:.2f} s"
        + ("" if proven else "  not solved in the time given")
    )
    return outcome.objective if proven else None


def best_on_grid(problem: Problem, points: int = 10_000) -> float:
    """Least cost over about ``points`` control sequences on a regular grid, rolled out by the network."""
    layers = list(read_layers(problem.network))
    dimensions = problem.horizon * CONTROLS
    axis = np.linspace(0.0, 1.0, max(2, int(points ** (1 / dimensions))))
    unit = np.stack(np.meshgrid(*[axis] * dimensions), axis=-1).reshape(-1, problem.horizon, CONTROLS)
    controls = problem.control_lower + unit * (problem.control_upper - problem.control_lower)
    state = np.tile(problem.initial_state, (len(controls), 1))
    cost = np.zeros(len(controls))
    for t in range(problem.horizon):
        state = state + evaluate(layers, np.column_stack([state, controls[:, t]]))
        inside = np.all((state >= problem.state_lower) & (state <= problem.state_upper), axis=1)
        cost += np.abs(state - problem.target) @ problem.state_weight
        cost += np.abs(controls[:, t]) @ problem.control_weight
        cost[~inside] = np.inf
    return float(cost.min())


if __name__ == "__main__":
    sys.exit(main())
