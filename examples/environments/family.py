"""Train a family of models of a contact task with fewer and fewer ReLUs, and say how far each is off, in px.

    python examples/environments/family.py push            # ten minutes; writes families/push and push.svg
    python examples/environments/family.py rope --families linearisation channel-pruning scratch --seeds 0 1 2
    python examples/environments/family.py push --families --rows one/rows.json two/rows.json      # of earlier runs

The network sees what moves relative to the pusher, turned to the direction that the object has at the first of ten
steps (`Transitions.facing`); the pusher moves by the control, which is not learned. Errors are root mean squares of the
distance between predicted and true points over held-out stretches with motion, after 1 to 20 steps, each turned by its
first state; "at rest" is after one step that moves nothing. `scratch` are networks of so few units from the start.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from environments import Push, Rope
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
TASKS: dict[str, type[Push | Rope]] = {"push": Push, "rope": Rope}
ROLLOUTS = {"push": 2500, "rope": 3000}
HEADINGS = {"push": ("key_0", "key_1"), "rope": ("key_0", "key_3")}
FACED, EVERY = 10, 5
"""Steps of a stretch that is turned as one, and after how many of them the next begins."""
SHOWN = (1, 10)
"""Steps after which errors are printed."""

FAMILIES: dict[str, GateFamily | None] = {
    "linearisation": Linearisation(),
    "gumbel": Gumbel(penalty_weight=3e-4),
    "channel-pruning": ChannelPruning(),
    "scratch": None,
}


@dataclass(frozen=True)
class Row:
    """One member. errors: (percentile 25, root mean square, percentile 75) after each of `STEPS`.  at_rest: in px."""

    family: str
    seed: int
    units: int | None
    relus: int
    errors: tuple[tuple[float, float, float], ...]
    at_rest: float


def transitions(name: str, rollouts: int, seed: int, steps: int = 20) -> Transitions:
    """Collected data."""
    task = TASKS[name]()
    data = collect(task, rollouts, steps, seed)
    return Transitions.of(**data, state_names=task.state_names, control_names=task.control_names)


def faced(name: str, data: Transitions, steps: int = FACED) -> Transitions:
    """The data as the network sees them, over stretches of so many steps."""
    return data.facing(HEADINGS[name], steps, EVERY)


def coordinates(data: Transitions) -> Coordinates:
    """Everything relative to the pusher, which moves by the control."""
    points = dict.fromkeys(name.rpartition("_")[0] for name in data.state_names[:-2])
    seen = tuple(f"{point} - pusher" for point in points)
    return Coordinates(features=(*seen, "push"), known={"pusher": "pusher + push"})


def simulations(name: str, rollouts: int, held_out: int, seed: int) -> tuple[Simulation, dict[int, Simulation]]:
    """What to train on, and held-out data to compare on, by the number of steps."""
    data = faced(name, transitions(name, rollouts, seed))
    held = transitions(name, held_out, 1000 + seed, STEPS[-1] + 1)
    within = coordinates(data)
    seen = {steps: faced(name, held, steps) for steps in sorted({max(FACED, steps) for steps in STEPS})}
    tests = {steps: Simulation(part, validation=0.0, coordinates=within) for steps, part in seen.items()}
    objective = Simulation(data, validation=0.0, coordinates=within)
    return objective, {steps: tests[max(FACED, steps)] for steps in STEPS}


def training(units: Sequence[int], epochs: int, step: float, seed: int) -> Schedule:
    """How long a family is trained; epochs: with all units, the others are in proportion."""
    return Schedule(
        units=tuple(units), epochs=epochs, round_epochs=max(1, epochs // 6), finetune_epochs=epochs, step=step,
        rollout_steps=8, rollout_epochs=3 * epochs // 2, carry=True, batch=1024, seed=seed,
    )  # fmt: skip


def alone(schedule: Schedule) -> Schedule:
    """How long a network is trained that had so few units from the start."""
    return replace(schedule, units=(), epochs=4 * schedule.epochs, step=1.0, carry=False)


def members(
    objective: Simulation, family: str, units: Sequence[int], schedule: Schedule, folder: Path, growth: int
) -> list[Member]:
    """The members of a family, the full one first; for `scratch` one network for each number of units.

    folder: of its files.
    """
    gates = FAMILIES[family]
    if gates is not None:
        network = densenet(objective, growth=growth, layers=4, seed=schedule.seed)
        if family == "channel-pruning":
            network = mlp(objective, hidden=(2 * growth, 2 * growth), seed=schedule.seed)
        return train(network, objective, schedule, gates, folder, resume=True)
    found = []
    for count in units:
        layers = 3 if count % 3 == 0 else 2
        small = densenet(objective, growth=count // layers, layers=layers, seed=schedule.seed)
        (member,) = train(small, objective, alone(schedule), Linearisation(), folder / f"units-{count}", resume=True)
        found.append(replace(member, units=count))
    return found


def row(family: str, seed: int, member: Member, tests: Mapping[int, Simulation]) -> Row:
    """How far a member is off on held-out data. tests: by the number of steps."""
    errors, at_rest = [], 0.0
    for steps, test in tests.items():
        found = test.deviations(member.network, steps)
        points = found.error[:, :-2].reshape(len(found.error), -1, 2)
        squares = (points**2).sum(axis=2).mean(axis=1)
        assert found.moved is not None
        moving = np.sqrt(squares[found.moved])
        low, high = np.percentile(moving, [25, 75])
        errors.append((float(low), float(np.sqrt((moving**2).mean())), float(high)))
        if steps == 1:
            at_rest = float(np.sqrt(squares[~found.moved].mean()))
    return Row(family, seed, member.units, member.relus, tuple(errors), at_rest)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and the half-width of its 95 % interval by Student's t; nan of one value."""
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        return mean, float("nan")
    return mean, float(stats.t.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of the errors after `SHOWN` steps and at rest, over the seeds, in px, and relative to the full model."""
    lines, full = [], {}
    for family in dict.fromkeys(one.family for one in rows):
        for units in dict.fromkeys(one.units for one in rows if one.family == family):
            found = [one for one in rows if (one.family, one.units) == (family, units)]
            values = [[one.errors[STEPS.index(steps)][1] for one in found] for steps in SHOWN]
            values.append([one.at_rest for one in found])
            if units is None:
                full.setdefault(family, np.mean(values[-2]))
            share = np.mean(values[-2]) / full.get(family, next(iter(full.values()), np.nan))
            shown = "  ".join("{:6.2f} ± {:4.2f}".format(*interval(part)) for part in values)
            lines.append(f"{family:20} {found[0].relus:4} ReLUs  {shown}  {share:5.2f}")
    return lines


def draw(rows: Sequence[Row], path: Path) -> None:
    """Errors over steps of the first family, with percentiles, and over the number of ReLUs of all of them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (over_steps, by_relus) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    first = [one for one in rows if (one.family, one.seed) == (rows[0].family, rows[0].seed)]
    for one, shade in zip(first, plt.get_cmap("viridis")(np.linspace(0, 0.9, len(first))), strict=True):
        low, middle, high = zip(*one.errors, strict=True)
        over_steps.plot(STEPS, middle, "o-", ms=3, color=shade, label=f"{one.relus} ReLUs")
        over_steps.fill_between(STEPS, low, high, color=shade, alpha=0.12, lw=0)
    at = STEPS.index(SHOWN[-1])
    for family in dict.fromkeys(one.family for one in rows):
        found = [one for one in rows if one.family == family]
        counts = list(dict.fromkeys(one.units for one in found))
        spread = [interval([one.errors[at][1] for one in found if one.units == units]) for units in counts]
        relus = [next(one.relus for one in found if one.units == units) for units in counts]
        middle, half = zip(*spread, strict=True)
        by_relus.errorbar(relus, middle, np.nan_to_num(half), fmt="o-", ms=3, capsize=3, label=family)
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
    parser.add_argument("task", choices=tuple(TASKS))
    parser.add_argument("--families", nargs="*", choices=tuple(FAMILIES), default=["linearisation"])
    parser.add_argument(
        "--folder", type=Path, help="of the models, the first family with the first seed; goes on where it stopped"
    )
    parser.add_argument("--rows", nargs="+", type=Path, default=[], help="of earlier runs, to compare and draw as well")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--rollouts", type=int, help="of 20 steps to train on")
    parser.add_argument("--held-out", type=int, default=500, help="rollouts to compare on")
    parser.add_argument("--units", type=int, nargs="+", default=UNITS)
    parser.add_argument("--growth", type=int, default=32, help="units of each of the four layers")
    parser.add_argument("--epochs", type=int, default=80, help="with all units; the others are in proportion")
    parser.add_argument("--step", type=float, default=0.06, help="share of the units that is fixed at once")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args(given)
    if not (arguments.families or arguments.rows):
        parser.error("give --families, --rows or both")
    name, epochs = arguments.task, arguments.epochs
    rows = [Row(**one) for path in arguments.rows for one in json.loads(path.read_text(encoding="utf-8"))]
    folder = arguments.folder or HERE / "families" / name
    for seed in arguments.seeds if arguments.families else ():
        objective, tests = simulations(name, arguments.rollouts or ROLLOUTS[name], arguments.held_out, seed)
        schedule = training(arguments.units, epochs, arguments.step, seed)
        for family in arguments.families:
            first = (seed, family) == (arguments.seeds[0], arguments.families[0])
            place, begun = folder if first else folder / f"{family}-{seed}", perf_counter()
            trained = members(objective, family, arguments.units, schedule, place, arguments.growth)
            rows += [row(family, seed, member, tests) for member in trained]
            print(f"{family}, seed {seed}: {perf_counter() - begun:.0f} s", flush=True)
    print(f"errors with motion after {SHOWN} steps and at rest after 1, px; of the former after {SHOWN[-1]}, the share")
    print("\n".join(table(rows)))
    if arguments.families:
        (folder / "rows.json").write_text(json.dumps([asdict(one) for one in rows]), encoding="utf-8")
    draw(rows, arguments.picture or Path(f"{name}.svg"))


if __name__ == "__main__":
    main()
