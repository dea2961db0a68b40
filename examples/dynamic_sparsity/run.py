"""Is the causal graph of dynamics sparse, does that depend on the state, and does it change sparsely in time?

The questions of Pandaram et al., "Dynamic Sparsity: Challenging Common Sparsity Assumptions for Learning World Models
in Robotic Reinforcement Learning Benchmarks", asked of MuJoCo Playground's control suite, of gymnasium's MuJoCo
environments and of the contact tasks of examples/environments.

    python examples/dynamic_sparsity/run.py                                   # small: three systems, a minute
    python examples/dynamic_sparsity/run.py --suite --rollouts 50 --steps 200 --folder runs   # all of them
    python examples/dynamic_sparsity/run.py --learn --seeds 0 1 2 3 4         # and models that learn them

Writes for each system rollouts (.npz) and a page (.html) into the folder, a table of all (table.md), and with --learn
one of the models (models.md). Rollouts that are in the folder already are not run again.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from relu2mip.analysis import MeasureOptions, Rollouts, jacobians, measure, system_of
from relu2mip.analysis.page import write_page
from relu2mip.errors import BackendUnavailable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the module `environments`

SUITE = [
    "playground:CartpoleBalance",
    "playground:ReacherEasy",
    "playground:PointMass",
    "playground:BallInCup",
    "playground:FingerSpin",
    "playground:FishSwim",
    "playground:SwimmerSwimmer6",
    "playground:CheetahRun",
    "playground:HopperHop",
    "playground:WalkerWalk",
]
GYMNASIUM = ["Reacher-v4", "HalfCheetah-v4", "Hopper-v4"]
CONTACT = ["environments:Push-v0", "environments:Sort-v0", "environments:Rope-v0"]
SMALL = ["Reacher-v4", "HalfCheetah-v4", "environments:Push-v0"]
SLOW = {"environments:Rope-v0": 5}
"""By how much fewer rollouts of systems whose Jacobians take long: 64 by central differences, 0.13 s each."""

COLUMNS = {
    "global": "global_sparsity",
    "local": "local_sparsity",
    "state-dependent": "state_dependence",
    "changes a step": "changes",
    "run length": "run_length",
    "clustering": "clustering",
    "p": "p_value",
}


def collected(name: str, arguments: argparse.Namespace) -> Rollouts:
    """The rollouts of a system, from the folder where they are there already."""
    path = arguments.folder / f"{name.replace(':', '-')}.npz"
    if path.exists():
        return Rollouts.load(path)
    count = max(2, arguments.rollouts // SLOW.get(name, 1))
    found = jacobians(system_of(name), count, arguments.steps, arguments.policy, arguments.seed)
    found.save(path)
    return found


def row(name: str, found: Rollouts, arguments: argparse.Namespace) -> dict:
    """The measures of a system, and by seeds of halves of its rollouts how sure they are."""
    options = MeasureOptions(threshold=arguments.threshold)
    measures = measure(found, options)
    write_page(found, measures, arguments.folder / f"{name.replace(':', '-')}.html")
    rng = np.random.default_rng(0)
    local = measures.local_sparsity.mean(axis=1)
    drawn = rng.choice(local, (1000, local.size)).mean(axis=1)
    return {
        "system": name,
        "n": len(found.state_names),
        "m": len(found.control_names),
        "samples": found.contacts.size,
        "contact": float((found.contacts > 0).mean()),
        **measures.to_dict(),
        "interval": np.quantile(drawn, [0.025, 0.975]).tolist(),
        "sensitivity": measures.sensitivity.tolist(),
    }


def table(rows: list[dict]) -> str:
    """Markdown."""
    lines = [f"| System | n, m | Steps in contact | {' | '.join(COLUMNS)} |", "|" + "---|" * (3 + len(COLUMNS))]
    for made in rows:
        cells = [f"{made[key]:.3g}" for key in COLUMNS.values()]
        cells[1] += f" ({made['interval'][0]:.3g} to {made['interval'][1]:.3g})"
        lines.append(f"| {made['system']} | {made['n']}, {made['m']} | {made['contact']:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def learned(name: str, found: Rollouts, arguments: argparse.Namespace) -> tuple[list[dict], list[dict]]:
    """Models of a system beside the truth, and their means over seeds."""
    from relu2mip.analysis.comparison import summarise
    from relu2mip.analysis.learned import LearnOptions, learn

    options = LearnOptions(
        epochs=arguments.epochs,
        threshold=arguments.threshold,
        gates=arguments.gates,
        l1_weight=arguments.l1_weight,
        matching_weight=arguments.matching_weight,
    )
    models = learn(found, arguments.methods, arguments.seeds, options)
    means = [{"system": name, **vars(one)} for one in summarise(models)]
    return [{"system": name, **one.to_dict()} for one in models], means


def models_table(means: list[dict]) -> str:
    """Markdown."""
    names = "Local | Gain | Chance | Static | Global | Chance"
    lines = [f"| System | Method | Seeds | ReLUs | Error | {names} | Miscalibration |", "|" + "---|" * 12]
    for one in means:
        cells = [one["system"], one["kind"], one["seeds"], f"{one['relus']:.1f}", one["error"], one["local"]]
        cells += [
            one["gain"] or "",
            f"{one['chance']:.3f}",
            f"{one['static']:.3f}",
            one["everywhere"],
            f"{one['everywhere_chance']:.3f}",
        ]
        lines.append(f"| {' | '.join(map(str, [*cells, one['miscalibration']]))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=SMALL)
    parser.add_argument("--suite", action="store_true", help="all systems, Playground's too")
    parser.add_argument("--rollouts", type=int, default=6)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--policy", default="held")
    parser.add_argument("--threshold", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("dynamic-sparsity"))
    parser.add_argument("--learn", action="store_true", help="train models, too (needs torch)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--methods", nargs="+", default=["prediction", "l1", "matching", "gates", "scratch"])
    parser.add_argument("--gates", default="gumbel", help="gate family, such as linearisation")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--l1-weight", type=float, default=1e-2)
    parser.add_argument("--matching-weight", type=float, default=1.0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows, models, means = [], [], []
    for name in [*SUITE, *GYMNASIUM, *CONTACT] if arguments.suite else arguments.systems:
        begun = time.perf_counter()
        try:
            found = collected(name, arguments)
        except BackendUnavailable as error:
            print(f"{name}: left out, {error}")
            continue
        rows.append(row(name, found, arguments))
        print(f"{name}: {found.contacts.size} Jacobians, {time.perf_counter() - begun:.0f} s", flush=True)
        if arguments.learn:
            each, mean = learned(name, found, arguments)
            models, means = models + each, means + mean
            (arguments.folder / "models.json").write_text(json.dumps(models, indent=1))
            (arguments.folder / "models.md").write_text(models_table(means))
    (arguments.folder / "table.md").write_text(table(rows))
    (arguments.folder / "table.json").write_text(json.dumps(rows, indent=1))
    print(table(rows))
    if means:
        print(models_table(means))


if __name__ == "__main__":
    main()
