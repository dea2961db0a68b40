"""Train a family of models of a contact task with fewer and fewer ReLUs, and say how far each is off, in px.

    python examples/environments/family.py push            # about 6 minutes; writes families/push and push.svg
    python examples/environments/family.py rope --families linearisation channel-pruning scratch

The network sees what moves relative to the pusher; the pusher moves by the control, which is not learned. Errors are
root mean squares of the distance between predicted and true points over held-out stretches with motion, after 1 to 20
steps; "at rest" is after one step that moves nothing. `scratch` are networks that had so few units from the start.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from environments import Push, Rope, Sort
from environments.collect import collect
from relu2mip.frontends.sparsify import (
    ChannelPruning,
    Coordinates,
    GateFamily,
    Gumbel,
    Linearisation,
    Member,
    Schedule,
    Simulation,
    Transitions,
    densenet,
    mlp,
    train,
)

HERE = Path(__file__).parent
STEPS = (1, 2, 3, 5, 7, 10, 15, 20)
UNITS = (36, 24, 18, 15, 8)
ROLLOUTS = {"push": 2500, "rope": 3000, "sort": 7500}
SHOWN = (1, 10)
"""Steps after which errors are printed."""

FAMILIES: dict[str, GateFamily | None] = {
    "linearisation": Linearisation(),
    "gumbel": Gumbel(penalty_weight=3e-4, temperature=0.5, final_temperature=0.2, limit=4.0, straight_through=True),
    "channel-pruning": ChannelPruning(),
    "scratch": None,
}


@dataclass(frozen=True)
class Row:
    """One member. errors: (percentile 25, root mean square, percentile 75) after each of `STEPS`.  at_rest: in px."""

    family: str
    relus: int
    errors: tuple[tuple[float, float, float], ...]
    at_rest: float


def task_of(name: str) -> Push | Rope | Sort:
    """The task, with two discs to sort."""
    return {"push": Push, "rope": Rope, "sort": lambda: Sort(discs=2)}[name]()


def transitions(name: str, rollouts: int, seed: int, steps: int = 20) -> Transitions:
    """Collected data."""
    task = task_of(name)
    data = collect(task, rollouts, steps, seed)
    return Transitions.of(**data, state_names=task.state_names, control_names=task.control_names)


def coordinates(data: Transitions) -> Coordinates:
    """Everything relative to the pusher, which moves by the control."""
    points = dict.fromkeys(name.rpartition("_")[0] for name in data.state_names[:-2])
    seen = tuple(f"{point} - pusher" for point in points)
    return Coordinates(features=(*seen, "push"), known={"pusher": "pusher + push"})


def members(
    objective: Simulation, family: str, units: Sequence[int], schedule: Schedule, folder: Path, growth: int
) -> list[Member]:
    """The members of a family, the full one first; for `scratch` one network for each number of units."""
    gates = FAMILIES[family]
    if gates is not None:
        network = densenet(objective, growth=growth, layers=4, seed=schedule.seed)
        if family == "channel-pruning":
            network = mlp(objective, hidden=(2 * growth, 2 * growth), seed=schedule.seed)
        return train(network, objective, schedule, gates, folder / family, resume=True)
    found = []
    for count in units:
        layers = 3 if count % 3 == 0 else 2
        small = densenet(objective, growth=count // layers, layers=layers, seed=schedule.seed)
        lengths = {"epochs": 3 * schedule.epochs, "finetune_epochs": schedule.finetune_epochs, "batch": schedule.batch}
        rolled = {"rollout_steps": schedule.rollout_steps, "rollout_epochs": schedule.rollout_epochs}
        alone = Schedule(**lengths, **rolled, seed=schedule.seed)
        found += train(small, objective, alone, Linearisation(), folder / f"scratch-{count}", resume=True)
    return found


def row(family: str, member: Member, test: Simulation) -> Row:
    """How far a member is off on held-out data."""
    errors, at_rest = [], 0.0
    for steps in STEPS:
        found = test.deviations(member.network, steps)
        points = found.error[:, :-2].reshape(len(found.error), -1, 2)
        squares = (points**2).sum(axis=2).mean(axis=1)
        assert found.moved is not None
        moving = np.sqrt(squares[found.moved])
        low, high = np.percentile(moving, [25, 75])
        errors.append((float(low), float(np.sqrt((moving**2).mean())), float(high)))
        if steps == 1:
            at_rest = float(np.sqrt(squares[~found.moved].mean()))
    return Row(family, member.relus, tuple(errors), at_rest)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Errors over steps of the first family, with percentiles, and over the number of ReLUs of all of them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (over_steps, by_relus) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    first = [one for one in rows if one.family == rows[0].family]
    for one, shade in zip(first, plt.get_cmap("viridis")(np.linspace(0, 0.9, len(first))), strict=True):
        low, middle, high = zip(*one.errors, strict=True)
        over_steps.plot(STEPS, middle, "o-", ms=3, color=shade, label=f"{one.relus} ReLUs")
        over_steps.fill_between(STEPS, low, high, color=shade, alpha=0.12, lw=0)
    for family in dict.fromkeys(one.family for one in rows):
        found = [one for one in rows if one.family == family]
        by_relus.plot(
            [r.relus for r in found], [r.errors[STEPS.index(SHOWN[-1])][1] for r in found], "o-", label=family
        )
    over_steps.set(xlabel="steps", ylabel="error with motion, px", title=f"{rows[0].family}: error by steps")
    by_relus.set(xlabel="ReLUs", xscale="log", ylabel="px", title=f"error after {SHOWN[-1]} steps")
    relus = [one.relus for one in first]
    by_relus.set_xticks(relus, labels=[str(n) for n in relus])
    by_relus.minorticks_off()
    for axes in (over_steps, by_relus):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
        axes.set_ylim(bottom=0)
    figure.savefig(path)
    plt.close(figure)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A family of models of a contact task with fewer and fewer ReLUs.")
    parser.add_argument("task", choices=tuple(ROLLOUTS))
    parser.add_argument("--families", nargs="+", choices=tuple(FAMILIES), default=["linearisation"])
    parser.add_argument("--folder", type=Path, help="of the models; goes on where it stopped")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--rollouts", type=int, help="of 20 steps to train on")
    parser.add_argument("--held-out", type=int, default=500, help="rollouts to compare on")
    parser.add_argument("--units", type=int, nargs="+", default=UNITS)
    parser.add_argument("--growth", type=int, default=32, help="units of each of the four layers")
    parser.add_argument("--epochs", type=int, default=120, help="with all units; the others are in proportion")
    parser.add_argument("--step", type=float, default=0.06, help="share of the units that is fixed at once")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(given)
    name, epochs = arguments.task, arguments.epochs
    folder = arguments.folder or HERE / "families" / name
    data = transitions(name, arguments.rollouts or ROLLOUTS[name], arguments.seed)
    objective = Simulation(data, validation=0.0, coordinates=coordinates(data))
    test = Simulation(transitions(name, arguments.held_out, 1000 + arguments.seed, STEPS[-1] + 1), validation=0.0,
                      coordinates=coordinates(data))  # fmt: skip
    schedule = Schedule(
        units=arguments.units, epochs=epochs, round_epochs=max(1, epochs // 6), finetune_epochs=epochs,
        step=arguments.step, rollout_steps=8, rollout_epochs=epochs, carry=True, batch=1024, seed=arguments.seed,
    )  # fmt: skip
    rows = []
    for family in arguments.families:
        begun = perf_counter()
        trained = members(objective, family, arguments.units, schedule, folder, arguments.growth)
        print(f"{family}: {perf_counter() - begun:.0f} s; error with motion after {SHOWN} steps, at rest after 1, px")
        for member in trained:
            rows.append(row(family, member, test))
            shown = [rows[-1].errors[STEPS.index(steps)][1] for steps in SHOWN]
            print(f"{rows[-1].relus:5} ReLUs  {shown[0]:6.2f}  {shown[1]:6.2f}  {rows[-1].at_rest:6.2f}", flush=True)
    (folder / "rows.json").write_text(json.dumps([asdict(one) for one in rows]), encoding="utf-8")
    draw(rows, arguments.picture or Path(f"{name}.svg"))


if __name__ == "__main__":
    main()
