"""Figure 3b: with few ReLUs, does branch and bound find better plans than sampling does on the same model?

    python examples/claims/open_loop.py              # 5 instances of pushing with 24 and 8 ReLUs, a minute
    python examples/claims/open_loop.py --full       # 100 instances of each task, member and horizon: 8 hours
    python examples/claims/open_loop.py --relus 24 --instances 100      # the claim alone, ten minutes

Every planner plans from the same random states to the same random targets with the same seconds of the processor, so
that a busy machine does not matter; compiling included, and samplers take all of them. Solvers count seconds of a clock
on the wall, so on a busy machine branch and bound gets less. Costs are those of the model, as the network evaluates a
plan, and those of the simulator, in which it is replayed. Table and picture are of all trials of the file with these
seconds.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.rows import Row, arguments, collected, mean_interval, read, share_interval
from claims.tasks import TASKS

from relu2mip.control import planner as planner_of
from relu2mip.errors import Relu2MipError
from relu2mip.runtime.deadline import limited

SAMPLERS = ("cem", "mppi")
SAME = 1e-3
"""Share of the cost by which a plan that counts as no worse may be dearer."""

PROVEN = 0.05
"""Gap that counts as proven."""

SMALL = {
    "tasks": ("push",), "relus": (24, 8), "horizons": (10,), "instances": 5, "seconds": 1.0,
    "planners": ("cem", "mppi", "gradient", "hybrid", "hybrid(backend=gurobi)"),
}  # fmt: skip
FULL = SMALL | {
    "tasks": tuple(TASKS), "relus": (4, 8, 15, 16, 18, 24, 28, 32, 36, 42, 48, 64, 70, 128), "horizons": (5, 10),
    "instances": 100, "planners": (*SMALL["planners"], "mip", "mip(backend=gurobi)"),
}  # fmt: skip


def measure(task: str, relus: int, horizon: int, seconds: float, instance: int, planner: str) -> Row:
    """A plan: its cost by the model and by the simulator, and what is proven of it; nan where there is none.

    at_rest: the cost if nothing moved.
    """
    env, state = TASKS[task].instance(instance)
    problem = TASKS[task].problem(TASKS[task].members[relus], horizon, env, state)
    at_rest = problem.evaluate_cost(np.tile(state, (horizon + 1, 1)), np.zeros((horizon, problem.m)))
    begun, worked = time.perf_counter(), time.process_time()
    try:
        with limited(seconds, time.process_time):
            plan, stopped = planner_of(planner).plan(problem, deadline=seconds), ""
    except Relu2MipError as error:
        plan, stopped = None, f"{type(error).__name__}: {error}"
    spent = {"spent": round(time.perf_counter() - begun, 3), "processor": round(time.process_time() - worked, 3)}
    if plan is None:
        nothing = dict.fromkeys(("cost", "true_cost", "bound"), np.nan)
        return {**nothing, "at_rest": at_rest, "feasible": 0, "nodes": 0, **spent, "stopped": stopped}
    return {
        "cost": plan.cost,
        "true_cost": problem.evaluate_cost(TASKS[task].replay(env, plan.controls), plan.controls),
        "bound": np.nan if plan.bound is None else plan.bound,
        "at_rest": at_rest,
        "feasible": int(plan.feasible),
        "nodes": plan.nodes,
        **spent,
        "stopped": plan.stopped,
    }


def summary(rows: Sequence[Row]) -> list[Row]:
    """For each task, horizon, member and planner what came of it beside the best sampler on the same instance.

    excess: share by which plans are dearer than the best sampler's, mean and interval.  no_worse, proven: shares of
    instances, with intervals.  gap: mean, 1 where nothing was proven.  true: share of the cost at rest that the plans
    save by the simulator; promised: by the model.  Instances on which not all planners ran are left out.
    """
    found = []
    for task, horizon, relus in dict.fromkeys((row["task"], row["horizon"], row["relus"]) for row in rows):
        here = [row for row in rows if (row["task"], row["horizon"], row["relus"]) == (task, horizon, relus)]
        names = list(dict.fromkeys(row["planner"] for row in here))
        costs = {name: {row["instance"]: row for row in here if row["planner"] == name} for name in names}
        instances = sorted(set.intersection(*(set(by) for by in costs.values())))
        columns = ("cost", "true_cost", "bound", "at_rest", "feasible")
        values = {
            name: {of: np.array([costs[name][k][of] for k in instances], dtype=np.float64) for of in columns}
            for name in names
        }
        cost = {name: np.where(of["feasible"] == 1, of["cost"], np.inf) for name, of in values.items()}
        samplers = [name for name in names if name in SAMPLERS]
        best = np.min([cost[name] for name in samplers], axis=0)
        for name in names:
            there = np.isfinite(cost[name]) & np.isfinite(best)
            bound, at_rest = values[name]["bound"], values[name]["at_rest"]
            gap = np.where(np.isfinite(bound), (cost[name] - bound) / np.abs(cost[name]), 1.0)[there]
            found.append(
                {
                    "task": task, "horizon": horizon, "relus": relus, "planner": name, "instances": len(instances),
                    "plans": int(np.isfinite(cost[name]).sum()),
                    "excess": mean_interval((cost[name] / best - 1)[there]),
                    "no_worse": share_interval(cost[name] <= best * (1 + SAME)),
                    "gap": float(np.mean(gap)) if gap.size else 1.0,
                    "proven": share_interval(np.isfinite(cost[name]) & (cost[name] - bound <= PROVEN * cost[name])),
                    "promised": mean_interval((1 - values[name]["cost"] / at_rest)[there]),
                    "true": mean_interval((1 - values[name]["true_cost"] / at_rest)[there]),
                }
            )  # fmt: skip
    return found


def table(found: Sequence[Row]) -> list[str]:
    """Lines of a summary, shares in %."""
    lines = [
        f"{'task':9} {'steps':>5} {'ReLUs':>5} {'planner':24} {'n':>4}  dearer than the best sampler   no worse"
        "            gap   proven to 5 %       promised  true"
    ]
    for row in found:
        excess, no_worse, proven = (
            "{:6.2f} [{:6.2f}, {:6.2f}]".format(*(100 * x for x in row[of])) for of in ("excess", "no_worse", "proven")
        )
        promised, true = (f"{100 * row[of][0]:5.1f}" for of in ("promised", "true"))
        lines.append(
            f"{row['task']:9} {row['horizon']:5} {row['relus']:5} {row['planner']:24} {row['plans']:4}"
            f"  {excess}  {no_worse}  {100 * row['gap']:5.1f}  {proven}  {promised}  {true}"
        )
    return lines


def draw(found: Sequence[Row], path: Path) -> None:
    """For each task and horizon: excess, proven gap, and savings by model and simulator, over the number of ReLUs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    places = list(dict.fromkeys((row["task"], row["horizon"]) for row in found))
    size = (10.5, 2.9 * len(places) + 0.4)
    figure, axes = plt.subplots(len(places), 3, figsize=size, layout="constrained", squeeze=False)
    shades = dict(zip(dict.fromkeys(row["planner"] for row in found), plt.get_cmap("tab10").colors, strict=False))
    for (task, horizon), (excess, gap, saved) in zip(places, axes, strict=True):
        here = sorted((row for row in found if (row["task"], row["horizon"]) == (task, horizon)), key=_relus)
        for name, shade in shades.items():
            own = [row for row in here if row["planner"] == name and row["plans"]]
            relus = [row["relus"] for row in own]
            _intervals(excess, relus, [row["excess"] for row in own], color=shade, label=name)
            if name not in (*SAMPLERS, "gradient"):
                gap.plot(relus, [100 * row["gap"] for row in own], "o-", ms=3, color=shade, label=name)
            _intervals(saved, relus, [row["true"] for row in own], color=shade, label=name)
            saved.plot(relus, [100 * row["promised"][0] for row in own], ":", color=shade)
        excess.axhline(0, color="black", lw=0.8)
        gap.axhline(100 * PROVEN, color="black", lw=0.8, ls="--")
        gap.set_ylim(-3, 103)
        excess.set(title=f"{task}, {horizon} steps", ylabel="dearer than the best sampler, %")
        gap.set(title="proven gap", ylabel="%")
        saved.set(title="saved of the cost at rest", ylabel="% (dotted: by the model)")
        ticks = sorted({row["relus"] for row in here})
        for one in (excess, gap, saved):
            one.set(xlabel="ReLUs", xscale="log")
            one.set_xticks(ticks, labels=[str(k) for k in ticks])
            one.minorticks_off()
            one.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=6.5)
    figure.savefig(path)
    plt.close(figure)


def _relus(row: Row) -> int:
    return int(row["relus"])


def _intervals(axes, relus: Sequence[int], shares: Sequence[tuple[float, float, float]], **style) -> None:  # type: ignore[no-untyped-def]
    middle, low, high = 100 * np.array(shares).reshape(-1, 3).T
    axes.errorbar(relus, middle, np.nan_to_num([middle - low, high - middle]), fmt="o-", ms=3, capsize=2, **style)


def main(given: Sequence[str] | None = None) -> None:
    chosen = arguments(__doc__, SMALL, FULL, given)
    trials = [
        {
            "task": task, "relus": relus, "horizon": horizon, "seconds": chosen.seconds, "instance": instance,
            "planner": planner,
        }
        for instance in range(chosen.instances)
        for task in chosen.tasks
        for horizon in chosen.horizons
        for relus in chosen.relus
        if relus in TASKS[task].members
        for planner in chosen.planners
    ]  # fmt: skip
    path = chosen.folder / "open_loop.csv"
    collected(path, trials, measure)
    found = summary([row for row in read(path) if row["seconds"] == chosen.seconds])
    print("\n".join(table(found)))
    draw(found, chosen.folder / "open_loop.svg")


if __name__ == "__main__":
    main()
