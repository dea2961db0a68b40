"""Control by deadlines: what a step costs besides the solver, periods that hold, planners compared, poles that stand.

    python benchmarks/control.py [overhead] [period] [planners] [pole]

Each part interleaves what it compares in one run, on one thread, and prints medians and 95th percentiles.
overhead: updating a program beside compiling it anew, 2x32 ReLUs, 10 steps.  period: a CartPole model of 16 ReLUs held
to 50 ms.  planners: the same seconds for every planner on the same instances.  pole: CartPole-v1 for 500 steps from
30 starts.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

import relu2mip as r2m
from relu2mip.control import Controller, planner, simulate
from relu2mip.control.environment import Environment
from relu2mip.ir import Graph, Linear, Node, Port, Relu

EXAMPLES = Path(__file__).parents[1] / "examples" / "cartpole"
PLANNERS = ("hybrid", "mip", "mppi", "cem", "gradient")


def mlp(sizes: list[int], seed: int, scale: float) -> Graph:
    """A random network of ReLUs."""
    rng, nodes, last = np.random.default_rng(seed), [], "x"
    for k, (a, b) in enumerate(pairwise(sizes)):
        final = k == len(sizes) - 2
        weights, bias = rng.normal(size=(b, a)) * scale / np.sqrt(a), 0.3 * rng.normal(size=b)
        nodes.append(Node("y" if final else f"z{k}", Linear(weights, bias), (last,), (b,)))
        if not final:
            nodes.append(Node(f"h{k}", Relu(), (f"z{k}",), (b,)))
            last = f"h{k}"
    return Graph("random", (Port("x", (sizes[0],)),), (Port("y", (sizes[-1],)),), tuple(nodes))


def random_problem(seed: int, width: int, horizon: int) -> r2m.Trajectory:
    """Drive a random system of four states and a control to a target."""
    return r2m.Trajectory(
        mlp([5, width, width, 4], seed, 0.6), horizon, r2m.Box(-1, 1), r2m.Box(-1, 1), predicts="change",
        states=r2m.Box(-50, 50), cost=r2m.costs.L1(state=1.0, control=0.1),
    )  # fmt: skip


def cartpole(horizon: int, controls: r2m.Box | r2m.Finite, net: str = "family/units-16.onnx") -> r2m.Trajectory:
    """Balance the pole."""
    return r2m.Trajectory(
        r2m.load(EXAMPLES / net), horizon, r2m.Box([-1.5, -2, -0.3, -3], [1.5, 2, 0.3, 3]), controls, period=0.02,
        states=r2m.Box([-2.4, -6, -0.5, -6], [2.4, 6, 0.5, 6]),
        cost=r2m.costs.L1(state=[0.2, 0.05, 1.0, 0.1], terminal=[1.0, 0.5, 5.0, 0.5]),
    )  # fmt: skip


def percentiles(seconds: list[float]) -> str:
    half, late = np.percentile(1e3 * np.array(seconds), [50, 95])
    return f"median {half:.1f} ms, 95th percentile {late:.1f} ms"


def overhead(count: int = 200) -> None:
    problem, rng = random_problem(0, 32, 10), np.random.default_rng(0)
    compiled = r2m.compile(problem, bounds="crown")
    working = planner("mip(anew=never,gap=0.5)").prepared(problem)
    updating, compiling, beside = [], [], []
    for _ in range(count):
        now = problem.changed(initial_state=rng.uniform(-1, 1, 4))
        begun = time.perf_counter()
        compiled.update(problem=now, rebuild=False)
        updating.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        r2m.compile(problem.changed(initial_state=now.initial_state), bounds="crown")
        compiling.append(time.perf_counter() - begun)
        plan = working(now, None, 1.0)
        beside.append(plan.seconds - plan.stages["search"])
    ratios = np.array(compiling) / np.array(updating)
    low, half, high = np.percentile(ratios, [5, 50, 95])
    print(f"overhead  update {percentiles(updating)}; compile {percentiles(compiling)}")
    print(f"overhead  compile / update: {half:.1f} ({low:.1f} to {high:.1f})")
    print(f"overhead  a plan besides its search: {percentiles(beside)}")


def period(steps: int = 200) -> None:
    import gymnasium

    for name in ("hybrid", "mip"):
        for kind, controls in (("force in {-1, 1}", r2m.Finite([-1, 1])), ("continuous force", r2m.Box(-1, 1))):
            problem, late, seconds, gaps = cartpole(10, controls), 0, [], []
            for seed in range(steps // 50):
                env = Environment(gymnasium.make("CartPole-v1"), actions=[-1.0, 1.0])
                run = simulate(Controller(problem, name, period=0.05), env, 50, seed)
                late += run.overruns
                seconds += run.seconds.tolist()
                gaps += ((run.cost - run.bound) / np.abs(run.cost)).tolist()
            proven = np.isfinite(gaps)
            gap = f", median gap {np.median(np.array(gaps)[proven]):.1%}" if proven.any() else ""
            print(f"period  {name}, {kind}: {percentiles(seconds)}, late {late} of {len(seconds)}, "
                  f"bound on {proven.mean():.0%}{gap}", flush=True)  # fmt: skip


def planners(count: int = 50, seconds: float = 0.5) -> None:
    families = {
        f"cartpole, {horizon} steps": (lambda _, h=horizon: cartpole(h, r2m.Box(-1, 1))) for horizon in (10, 20)
    } | {f"random 2x16, {horizon} steps": (lambda k, h=horizon: random_problem(k, 16, h)) for horizon in (10, 20)}
    total: Counter[str] = Counter()
    for family, make in families.items():
        costs: dict[str, list[float]] = {name: [] for name in PLANNERS}
        bounds, rng = 0, np.random.default_rng(1)
        for k in range(count):
            problem = make(k)
            low, high = problem.initial_limits
            now = problem.changed(initial_state=0.7 * rng.uniform(low[-1], high[-1]))
            for name in PLANNERS:
                plan = planner(f"{name}(anew=always)" if name in ("hybrid", "mip") else name).prepared(now)(
                    now, None, seconds
                )
                costs[name].append(plan.cost if plan.feasible else np.inf)
                bounds += name == "hybrid" and plan.bound is not None
        best = np.min(list(costs.values()), axis=0)
        ours = np.array(costs["hybrid"])
        sampled = np.min([costs[name] for name in ("mppi", "cem", "gradient")], axis=0)
        never_worse = ours <= sampled + 1e-3 * np.abs(sampled)
        total["ok"] += int(never_worse.sum())
        total["all"] += count
        away = {name: f"{np.median((np.array(c) - best) / np.abs(best)):.2%}" for name, c in costs.items()}
        print(f"planners  {family}, {seconds} s: hybrid within 0.1 % of the best sampler on {never_worse.mean():.0%}, "
              f"bound on {bounds / count:.0%}; median above the best of all {away}", flush=True)  # fmt: skip
    print(f"planners  in all {total['ok']} of {total['all']}")


def pole(starts: int = 30, steps: int = 500) -> None:
    import gymnasium

    for net in ("family/units-16.onnx",):
        stood, late = [], 0
        controller = Controller(cartpole(10, r2m.Finite([-1, 1]), net), "hybrid", period=0.02)
        for seed in range(starts):
            env = Environment(gymnasium.make("CartPole-v1"), actions=[-1.0, 1.0])
            run = simulate(controller, env, steps, seed)
            stood.append(len(run))
            late += run.overruns
        print(f"pole  {net}: {np.mean(np.array(stood) == steps):.0%} of {starts} starts stand for {steps} steps, "
              f"the shortest {min(stood)}; {late / sum(stood):.1%} of steps over 20 ms", flush=True)  # fmt: skip


if __name__ == "__main__":
    parts = {"overhead": overhead, "period": period, "planners": planners, "pole": pole}
    for name in sys.argv[1:] or parts:
        parts[name]()
