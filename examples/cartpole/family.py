"""Train CartPole models with fewer and fewer ReLUs: what each predicts, and how long the same plan takes with it.

    python examples/cartpole/family.py                 # about 5 minutes; writes family/ and the picture

One network with two hidden layers of 32 ReLUs becomes a family of models with 64, 32, 16, 8 and 4 by gates, and another
one by channel pruning: on the same data, for the same epochs, from the same start. Every model is compared with
simulations of up to 50 steps that it has not seen; those with gates plan the problem of problem.toml with HiGHS.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from collect import collect
from replay import replay

import relu2mip as r2m
from relu2mip.frontends.sparsify import (
    ChannelPruning,
    Gumbel,
    Member,
    Schedule,
    Simulation,
    Transitions,
    mlp,
    train,
)

HERE = Path(__file__).parent
STEPS = (1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50)
UNITS = (32, 16, 8, 4)
STATES = ("position", "velocity", "angle", "angular velocity")


@dataclass(frozen=True)
class Plan:
    """The plan of problem.toml with one model.

    seconds: to compile and solve.  units, binaries: over the horizon.  missed: the largest difference between planned
    and simulated states.
    """

    status: str
    objective: float
    gap: float
    seconds: float
    nodes: int
    units: int
    binaries: int
    missed: float


@dataclass(frozen=True)
class Row:
    """One member: its errors after each of `STEPS`, relative to the spread of the true change, and its plan."""

    method: str
    relus: int
    errors: tuple[float, ...]
    plan: Plan | None = None


def collected(rollouts: int, steps: int, seed: int) -> Transitions:
    """Rollouts of at most so many steps under random forces."""
    found = collect(rollouts, steps, seed)
    names = {"state_names": STATES, "control_names": ("force",)}
    return Transitions.of(found["state"], found["action"], found["next_state"], found["rollout"], **names)


def families(data: Transitions, schedule: Schedule, hidden: Sequence[int], folder: Path) -> dict[str, list[Member]]:
    """The members by method, the full model first; the files of those with gates lie in the folder."""
    objective = Simulation(data)
    network = mlp(objective, hidden)
    return {
        "gates": train(network, objective, schedule, Gumbel(), folder, resume=True),
        "channel pruning": train(network, objective, schedule, ChannelPruning()),
    }


def plan(member: Member, problem: r2m.Trajectory, time_limit: float) -> Plan:
    """Plan with the file of a member, branching over its units alone, and replay the plan in the simulator."""
    problem = replace(problem, net=r2m.load(member.path))
    start = perf_counter()
    answer = r2m.solve(problem, backend="highs", bounds="crown", time_limit=time_limit)
    seconds = perf_counter() - start
    missed = float(np.abs(answer.states - replay(problem.initial_state, answer.controls)).max())
    units = answer.statistics.units, answer.statistics.binaries
    return Plan(answer.status, answer.objective, answer.gap, seconds, answer.nodes, *units, missed)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Errors over steps by member; error and planning time over the number of ReLUs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (over_steps, by_relus, times) = plt.subplots(1, 3, figsize=(11.5, 3.6), layout="constrained")
    at = STEPS.index(10)
    for method, style, colours in (("gates", "-", "Blues"), ("channel pruning", "--", "Oranges")):
        members = [row for row in rows if row.method == method]
        relus = [row.relus for row in members]
        shades = plt.get_cmap(colours)(np.linspace(0.95, 0.4, len(members)))
        for row, shade in zip(members, shades, strict=True):
            over_steps.semilogy(
                STEPS[: len(row.errors)], row.errors, style, color=shade, label=f"{method}, {row.relus}"
            )
        by_relus.loglog(relus, [row.errors[at] for row in members], "o" + style, color=shades[0], label=method)
        plans = [row for row in members if row.plan is not None]
        if plans:
            times.loglog([row.relus for row in plans], [row.plan.seconds for row in plans], "o-", color=shades[0])
    over_steps.set(xlabel="steps", title="error by steps, for each number of ReLUs")
    over_steps.set_ylim(top=100)
    over_steps.legend(fontsize=6, ncols=2, loc="upper center")
    by_relus.set(xlabel="ReLUs", title=f"error after {STEPS[at]} steps")
    by_relus.legend(fontsize=7)
    times.set(xlabel="ReLUs", title="seconds to plan 10 steps")
    for axes in (by_relus, times):
        axes.set_xticks(relus, labels=[str(n) for n in relus])
        axes.minorticks_off()
    for axes in (over_steps, by_relus, times):
        axes.grid(alpha=0.3)
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="A family of CartPole models with fewer and fewer ReLUs.")
    parser.add_argument("--folder", type=Path, default=HERE / "family", help="of the models; goes on where it stopped")
    parser.add_argument("--picture", type=Path, default=Path("family.svg"))
    parser.add_argument("--rollouts", type=int, default=1000, help="training rollouts of at most 20 steps")
    parser.add_argument("--epochs", type=int, default=100, help="of each phase; the first has twice as many")
    parser.add_argument("--polish", type=int, default=400, help="L-BFGS iterations of each member")
    parser.add_argument("--width", type=int, default=32, help="ReLUs in each of the two hidden layers")
    parser.add_argument("--units", type=int, nargs="+", default=UNITS, help="ReLUs of the members")
    parser.add_argument("--held-out", type=int, default=2000, help="rollouts of at most 50 steps to compare with")
    parser.add_argument("--time-limit", type=float, default=60, help="of each plan, in seconds")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    phases = {"epochs": 2 * arguments.epochs, "round_epochs": arguments.epochs, "finetune_epochs": arguments.epochs}
    schedule = Schedule(units=arguments.units, **phases, polish=arguments.polish, batch=512, seed=arguments.seed)
    data = collected(arguments.rollouts, 20, seed=arguments.seed)
    held_out = collected(arguments.held_out, STEPS[-1], seed=arguments.seed + 1)
    test = Simulation(held_out, validation=0.0, horizons=STEPS)
    problem = r2m.Trajectory.from_toml(HERE / "problem.toml")
    width = (arguments.width, arguments.width)
    start = perf_counter()
    trained = families(data, schedule, width, arguments.folder)
    print(f"{len(data.state)} transitions; two families trained in {perf_counter() - start:.0f} s")

    rows = []
    print("method           ReLUs  error after", ", ".join(map(str, STEPS)), "steps")
    for method, members in trained.items():
        for member in members:
            errors = tuple(test.errors(member.network).values())
            planned = None if member.path is None else plan(member, problem, arguments.time_limit)
            rows.append(Row(method, member.relus, errors, planned))
            print(f"{method:15}  {member.relus:5}  {'  '.join(f'{error:.2%}' for error in errors)}", flush=True)
    print("ReLUs  units  binaries  status      objective     gap  nodes  seconds  missed by")
    for row in rows:
        if row.plan is not None:
            p = row.plan
            size = f"{row.relus:5}  {p.units:5}  {p.binaries:8}  {p.status:10}"
            print(f"{size}  {p.objective:9.4f}  {p.gap:6.1%}  {p.nodes:5}  {p.seconds:7.1f}  {p.missed:.4f}")
    (arguments.folder / "rows.json").write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    draw(rows, arguments.picture)
    print(f"picture: {arguments.picture}")


if __name__ == "__main__":
    main()
