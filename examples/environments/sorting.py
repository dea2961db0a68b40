"""Train contact networks of sorting on two discs, fewer and fewer ReLUs, and say how far each is off with up to eight.

    python examples/environments/sorting.py                  # writes families/sort and sort.svg
    python examples/environments/sorting.py --families removal channel-pruning scratch --seeds 0 1 2

A network has functions of a disc and of a pair of discs (`contact`), so what two discs taught it is exported for any
number. Errors are root mean squares of the distance between predicted and true centres, in px, on held-out rollouts of
as many discs: of those discs that truly moved, and of those at rest. `scratch` are networks of so few units from the
start, half of them of pairs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from environments import Sort
from environments.collect import MOTION, collect
from environments.family import interval
from environments.removal import Removal
from relu2mip.frontends.sparsify import (
    ChannelPruning,
    Coordinates,
    GateFamily,
    Kind,
    Member,
    Schedule,
    Simulation,
    Transitions,
    contact,
    export,
    gates_of,
    train,
)

HERE = Path(__file__).parent
STEPS = (1, 2, 3, 5, 7, 10, 15, 20)
SHOWN = (1, 10)
"""Steps after which errors are printed."""

HAND_REACH, PAIR_REACH, MARGIN = 55.0, 50.0, 0.5
"""How near, px along each axis, the pusher or another disc has to be to move a disc, as data have it.

A smaller margin makes units so steep that float32 shows: files then differ from torch by more than is let pass.
"""

FAMILIES: dict[str, GateFamily] = {
    "removal": Removal(), "channel-pruning": ChannelPruning(scope="network"), "scratch": Removal(),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One member on so many discs. own, pair: ReLUs per disc and per ordered pair.

    moved, still: errors after each of `STEPS` of the discs that moved and of those that did not, px.  far: how far the
    former moved.
    """

    family: str
    seed: int
    units: int | None
    own: int
    pair: int
    discs: int
    moved: tuple[float, ...]
    still: tuple[float, ...]
    far: tuple[float, ...]


def simulation(discs: int, rollouts: int, seed: int, steps: int = 20, train_on: bool = False) -> Simulation:
    """Rollouts of so many discs; to train on, without the rows that nothing can be learned from."""
    task = Sort(discs)
    data = Transitions.of(
        **collect(task, rollouts, steps, seed), state_names=task.state_names, control_names=task.control_names
    )
    known = Coordinates(known={"pusher": "pusher + push"})
    # At the wall, the pusher does not move by the control.
    data = only(data, np.abs(data.next_state[:, -2:] - data.state[:, -2:] - data.control).max(axis=1) < 0.01)
    return Simulation(near(data) if train_on else data, validation=0.0, coordinates=known)


def near(data: Transitions) -> Transitions:
    """The rows with a disc in reach of the pusher, in rollouts without gaps: of others a network is exactly right."""
    places = data.state.reshape(len(data.state), -1, 2)
    away = np.abs(places[:, :-1] - places[:, -1:]).max(axis=2).min(axis=1)
    return only(data, away < HAND_REACH * (1 + MARGIN))


def only(data: Transitions, kept: NDArray[np.bool_]) -> Transitions:
    """Some of the rows, in rollouts without gaps."""
    begins = np.append(True, (data.rollout[1:] != data.rollout[:-1]) | ~kept[:-1])
    arrays = {key: getattr(data, key)[kept] for key in ("state", "control", "next_state", "moved")}
    return replace(data, **arrays, rollout=np.cumsum(begins)[kept])


def network(objective: Simulation, own: Sequence[int], pair: Sequence[int], seed: int) -> nn.Module:
    """A contact network with layers of such widths."""
    return contact(objective, HAND_REACH, PAIR_REACH, own, pair, MARGIN, seed)


def members(objective: Simulation, family: str, schedule: Schedule, folder: Path, growth: int) -> list[Member]:
    """The members of a family, the full one first; for `scratch` one network for each number of units."""
    if family != "scratch":
        full = network(objective, (growth, growth), (growth, growth), schedule.seed)
        return train(full, objective, schedule, FAMILIES[family], folder / family, resume=True)
    found = []
    for count in schedule.units:
        half = (count // 4, count // 4)
        alone = replace(schedule, units=(), epochs=4 * schedule.epochs)
        small = network(objective, half, half, schedule.seed)
        (member,) = train(small, objective, alone, FAMILIES[family], folder / f"scratch-{count}", resume=True)
        found.append(replace(member, units=count))
    return found


def relus(member: Member) -> tuple[int, int]:
    """ReLUs per disc and per ordered pair, with those that say what is out of reach."""
    kept = [gate.count(Kind.RELU) for gate in gates_of(member.network).values()]
    own, pair = sum(kept[: len(kept) // 2]), sum(kept[len(kept) // 2 :])
    return own + 4, pair and pair + 2


def exported(member: Member, objective: Simulation, folder: Path, discs: int) -> Path:
    """The file of a member for so many discs."""
    path = folder / f"discs-{discs}" / f"{member.name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    return export(member, objective, path, objects=discs)


def errors(network: nn.Module, test: Simulation) -> tuple[tuple[float, ...], ...]:
    """Of the discs that moved, of those that did not, and how far the former moved, after each of `STEPS`, px."""
    found = []
    for steps in STEPS:
        deviations = test.deviations(network, steps)
        off, change = (
            np.linalg.norm(part[:, :-2].reshape(len(part), -1, 2), axis=2)
            for part in (deviations.error, deviations.change)
        )
        moved = change > MOTION
        found.append([float(np.sqrt((part**2).mean())) for part in (off[moved], off[~moved], change[moved])])
    return tuple(zip(*found, strict=True))


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of the errors after `SHOWN` steps, over the seeds, in px: of discs that moved, and of those at rest."""
    lines = []
    for family, units, discs in dict.fromkeys((row.family, row.units, row.discs) for row in rows):
        same = [row for row in rows if (row.family, row.units, row.discs) == (family, units, discs)]
        values = [[row.moved[STEPS.index(steps)] for row in same] for steps in SHOWN]
        values.append([row.still[STEPS.index(SHOWN[-1])] for row in same])
        far = np.mean([row.far[STEPS.index(SHOWN[-1])] for row in same])
        shown = "  ".join("{:6.2f} ± {:4.2f}".format(*interval(part)) for part in values)
        counts = f"{same[0].own:3} a disc, {same[0].pair:3} a pair"
        lines.append(f"{family:16} {counts}  {discs} discs  {shown}  of {far:5.1f}")
    return lines


def draw(rows: Sequence[Row], path: Path) -> None:
    """Errors of the first family over steps on two discs, and over the number of discs; bars are 95 % intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (over_steps, over_discs) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    first = [row for row in rows if row.family == rows[0].family]
    names, discs = (list(dict.fromkeys(part)) for part in zip(*((row.units, row.discs) for row in first), strict=True))
    at = STEPS.index(SHOWN[-1])
    for units, shade in zip(names, plt.get_cmap("viridis")(np.linspace(0, 0.9, len(names))), strict=True):
        same = [[row for row in first if (row.units, row.discs) == (units, count)] for count in discs]
        label = f"{same[0][0].own} a disc, {same[0][0].pair} a pair"
        steps = [interval([row.moved[k] for row in same[0]]) for k in range(len(STEPS))]
        moved, still = (
            [interval([getattr(row, key)[at] for row in part]) for part in same] for key in ("moved", "still")
        )
        style = {"ms": 3, "color": shade, "capsize": 2}
        over_steps.errorbar(STEPS, *np.transpose(steps), fmt="o-", label=label, **style)
        over_discs.errorbar(discs, *np.transpose(moved), fmt="o-", **style)
        over_discs.errorbar(discs, *np.transpose(still), fmt=":", **style)
    over_steps.set(xlabel="steps", ylabel="error of discs that moved, px", title=f"{first[0].discs} discs")
    over_discs.set(xlabel="discs", ylabel="px", title=f"after {SHOWN[-1]} steps; dotted: discs at rest")
    over_steps.legend(fontsize=7, title="ReLUs", title_fontsize=7)
    for axes in (over_steps, over_discs):
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    figure.savefig(path)
    plt.close(figure)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Contact networks of sorting, trained on two discs.")
    parser.add_argument("--families", nargs="+", choices=tuple(FAMILIES), default=["removal"])
    parser.add_argument("--folder", type=Path, default=HERE / "families" / "sort", help="goes on where it stopped")
    parser.add_argument("--picture", type=Path, default=Path("sort.svg"))
    parser.add_argument("--rollouts", type=int, default=7500, help="of 20 steps with two discs to train on")
    parser.add_argument("--held-out", type=int, default=300, help="rollouts to compare on, for each number of discs")
    parser.add_argument("--discs", type=int, nargs="+", default=range(2, 9), help="to compare on")
    parser.add_argument(
        "--files", type=int, nargs="*", default=(4, 8), help="numbers of discs to write files of the first family for"
    )
    parser.add_argument("--units", type=int, nargs="+", default=(36, 24, 16, 8))
    parser.add_argument("--growth", type=int, default=16, help="units of each of the two layers of both functions")
    parser.add_argument("--epochs", type=int, default=40, help="with all units; the others are in proportion")
    parser.add_argument("--step", type=float, default=0.12, help="share of the units that is fixed at once")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one family each; the first in `folder`")
    arguments = parser.parse_args(given)
    epochs, rows = arguments.epochs, list[Row]()
    for seed in arguments.seeds:
        objective = simulation(2, arguments.rollouts, seed, train_on=True)
        length = STEPS[-1] + 1
        tests = {n: simulation(n, arguments.held_out, 1000 * n + seed, length) for n in arguments.discs}
        schedule = Schedule(
            units=arguments.units, epochs=epochs, round_epochs=max(1, epochs // 8), finetune_epochs=epochs,
            step=arguments.step, rollout_steps=5, rollout_epochs=epochs, carry=True, batch=arguments.batch, seed=seed,
        )  # fmt: skip
        folder = arguments.folder if seed == arguments.seeds[0] else arguments.folder / f"seed-{seed}"
        for family in arguments.families:
            begun = perf_counter()
            trained = members(objective, family, schedule, folder, arguments.growth)
            print(f"{family}, seed {seed}: {perf_counter() - begun:.0f} s", flush=True)
            for member in trained:
                for discs in arguments.files if family == arguments.families[0] else ():
                    exported(member, objective, folder / family, discs)
                for discs, test in tests.items():
                    found = errors(member.network, test)
                    rows.append(Row(family, seed, member.units, *relus(member), discs, *found))
    print(f"errors of discs that moved after {SHOWN} steps and of others after {SHOWN[-1]}, px; how far they moved")
    print("\n".join(table(rows)))
    (arguments.folder / "rows.json").write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    draw(rows, arguments.picture)


if __name__ == "__main__":
    main()
