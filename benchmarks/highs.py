"""HiGHS on planning problems, a study: where its plans come from, with and without presolve.

    python benchmarks/highs.py                                              # incumbents off, auto, on
    python benchmarks/highs.py --horizons 20 --seeds 0 1
    python benchmarks/highs.py --variants "highs" --presolve both

CartPole models with discrete and with continuous force and random networks, `crown` bounds, one thread; every variant
in turn for each seed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from problems import random_cost, random_tables
from studies import CARTPOLE, cartpole_networks, parser, ran

from relu2mip.study import Axes, Networks, Problem, Study


def asked(options: argparse.Namespace) -> Study:
    """The spec."""
    of_cartpole = {"file": str(CARTPOLE / "problem.toml"), "networks": ["cartpole"], "horizons": options.horizons}
    problems = [
        Problem(name="cartpole", **of_cartpole),
        Problem(name="cartpole, continuous", **of_cartpole, set={"controls": {"lower": -1, "upper": 1}}),
        Problem(
            name="random",
            tables={**random_tables(0), "costs": random_cost(0, "l1")},
            networks=["random"],
            horizons=options.horizons,
        ),
    ]
    networks = [
        Networks(files=cartpole_networks(options.widths), name="cartpole"),
        Networks(random={"width": options.widths}, name="random"),
    ]
    presolve: list[dict[str, bool]] = {"on": [{}], "off": [{"presolve": False}], "both": [{}, {"presolve": False}]}[
        options.presolve
    ]
    axes = Axes(
        bounds="crown", backend=options.variants, options=presolve, seed=options.seeds, time_limit=options.time_limit
    )
    question = "Where should HiGHS get its plans from?"
    return Study("highs", problems, networks, axes, question, baseline={"backend": options.variants[0]}, folder=Path())


def main() -> int:
    """Run and print."""
    flags = parser(__doc__, 20.0)
    flags.add_argument("--widths", nargs="+", type=int, default=[8, 16], choices=[8, 16, 32])
    flags.add_argument("--horizons", nargs="+", type=int, default=[10])
    flags.add_argument(
        "--variants", nargs="+", default=["highs(incumbents=off)", "highs", "highs(incumbents=on)"], metavar="BACKEND"
    )
    flags.add_argument("--presolve", choices=["on", "off", "both"], default="on")
    flags.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = flags.parse_args()
    return ran(asked(options), options)


if __name__ == "__main__":
    sys.exit(main())
