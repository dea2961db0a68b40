"""Solve time beside other tools: a study of the same problems, gap, limit and one thread for all.

    python benchmarks/solve.py --widths 8 16 --horizons 5 --costs l1 --time-limit 60

Problems are random 2×W dynamics networks and the CartPole models of examples/ with continuous force, with L1 and
quadratic costs. Every tool builds and solves each problem before the next; times are build (bounds included) plus
solve. A tool that refuses a problem (a licence that is too small, a cost that its solver does not take) is left out of
that problem's ratios; where several say they solved it, their optima must agree, else the exit code is 1. What it
prints, and the report with profiles and every trial, is explained in docs/guide/studies.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from problems import random_cost, random_tables
from studies import CARTPOLE, cartpole_networks, parser, ran

from relu2mip.study import Axes, Networks, Problem, Study
from relu2mip.study.peers import TOOLS

CARTPOLE_COST = {"target": 0.0, "state": [0.1, 0.05, 1.0, 0.1], "control": 0.01}


def asked(options: argparse.Namespace) -> Study:
    """The spec. Gurobi's licence from pip takes 200 columns beside a square, so there the squares are cut."""
    networks, problems = [], []
    for seed in options.seeds if not options.no_random else []:
        networks.append(Networks(random={"width": options.widths, "seed": seed}, name=f"random-{seed}"))
        problems.append(
            Problem(
                tables=random_tables(seed),
                name=f"random-{seed}",
                networks=[f"random-{seed}"],
                horizons=options.horizons,
                costs={kind: random_cost(seed, kind) for kind in options.costs},
            )
        )
    if not options.no_cartpole:
        networks.append(Networks(files=cartpole_networks(options.widths), name="cartpole"))
        problems.append(
            Problem(
                file=str(CARTPOLE / "problem.toml"),
                name="cartpole",
                networks=["cartpole"],
                horizons=options.horizons,
                costs={kind: [{"kind": kind, **CARTPOLE_COST}] for kind in options.costs},
                set={"controls": {"lower": -1, "upper": 1}},
            )
        )
    axes = Axes(backend=["highs", "gurobi(quadratic=cuts)"], tool=options.tools, time_limit=options.time_limit)
    return Study(
        "solve",
        problems,
        networks,
        axes,
        question="How long do relu2mip and other tools take to the same optimum?",
        baseline={"backend": "highs"},
        missing="skip",
        folder=Path(),
    )


def main() -> int:
    """Run and print; 1 where two tools disagree about an optimum."""
    flags = parser(__doc__, 60.0)
    flags.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32])
    flags.add_argument("--horizons", type=int, nargs="+", default=[5, 10, 20])
    flags.add_argument("--costs", nargs="+", choices=["l1", "quadratic"], default=["l1", "quadratic"])
    flags.add_argument("--seeds", type=int, nargs="+", default=[0])
    flags.add_argument("--tools", nargs="*", choices=list(TOOLS), default=list(TOOLS), metavar="TOOL")
    flags.add_argument("--no-cartpole", action="store_true")
    flags.add_argument("--no-random", action="store_true")
    options = flags.parse_args()
    return ran(asked(options), options)


if __name__ == "__main__":
    sys.exit(main())
