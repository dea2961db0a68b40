"""Bound methods side by side, a study: unstable units, time, and the solve each leads to.

    python benchmarks/bounds.py                     # example models, and the networks of ../shared/nets where present
    python benchmarks/bounds.py --methods ibp crown auto --backends highs gurobi --time-limit 60

CartPole models of two sizes with discrete and with continuous force, L1 and quadratic costs; public networks over their
boxes. Every instance runs all methods in turn before the next instance, on one thread; each is compared with interval
bounds. What `auto` costs against `crown` on planning problems: `python benchmarks/planning.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from studies import CARTPOLE, cartpole_networks, parser, ran

from relu2mip.study import Axes, Networks, Problem, Study

NETS = Path(__file__).resolve().parents[2] / "shared" / "nets"
FORCE = {"controls": {"lower": -1, "upper": 1}}
QUADRATIC = {"kind": "quadratic", "state": [0.1, 0.05, 1.0, 0.1], "terminal": [0.0, 0.0, 5.0, 1.0]}


def asked(options: argparse.Namespace) -> Study:
    """The spec."""
    networks, problems = [], []
    if "examples" in options.instances:
        networks.append(Networks(files=cartpole_networks([8, 16]), name="cartpole"))
        shared = {"file": str(CARTPOLE / "problem.toml"), "networks": ["cartpole"]}
        problems += [
            Problem(name="discrete", horizons=[5, 10], **shared),
            Problem(name="continuous", horizons=[5, 10], set=FORCE, **shared),
            Problem(name="continuous quadratic", horizons=[5], set=FORCE, costs={"quadratic": [QUADRATIC]}, **shared),
        ]
    if "boxes" in options.instances and NETS.is_dir():
        problems += [boxed(box) for box in _boxes()]
        networks += [Networks(files=[str(NETS / box["net"])], name=str(box["name"])) for box in _boxes()]
    axes = Axes(bounds=options.methods, backend=options.backends, time_limit=options.time_limit)
    question = "Which bounds lead to the fastest solve?"
    return Study(
        "bounds",
        problems,
        networks,
        axes,
        question,
        baseline={"bounds": options.methods[0]},
        missing="skip",
        folder=Path(),
    )


def _boxes() -> list[dict[str, object]]:
    """The public problems; of several that have the first row in common, the first."""
    boxes: list[dict[str, object]] = json.loads((NETS / "boxes.json").read_text())
    kept = {json.dumps([box["net"], boxed(box).tables]): box for box in reversed(boxes)}
    return list(reversed(kept.values()))


def boxed(box: dict[str, object]) -> Problem:
    """A public network over its box; the objective is the first row of the unsafe set."""
    name = str(box["name"])
    (row, *_) = box["unsafe_any_of"][0]["A"]  # type: ignore[index]
    tables = {"lower": box["lower"], "upper": box["upper"], "objective": row}
    return Problem(name=name, tables=tables, networks=[name])


def main() -> int:
    """Run and print."""
    flags = parser(__doc__, 60.0)
    flags.add_argument("--methods", nargs="+", default=["ibp", "crown", "crown+lp", "crown+cutoff", "auto"])
    flags.add_argument("--backends", nargs="+", default=["highs", "gurobi"])
    flags.add_argument("--instances", nargs="+", choices=["examples", "boxes"], default=["examples", "boxes"])
    options = flags.parse_args()
    return ran(asked(options), options)


if __name__ == "__main__":
    sys.exit(main())
