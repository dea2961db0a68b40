"""Do units matter? The same random problems rewritten in twelve systems of units, each held against all plans.

    python -m benchmarks.trials.units --problems 1000 --csv build/units.csv

Every problem is solved in units of about one and in each system, by one combination of formulation, backend and bounds
for all of them; the combinations take turns. What is in the CSV file already is left out. The plans of the rewritten
problem are enumerated anew; where float64 itself cannot hold them, the system is left out for that problem. Exit code
1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import relu2mip as r2m
from benchmarks.trials.draw import classic, sketch
from benchmarks.trials.grid import BACKENDS, case_of
from benchmarks.trials.judge import judged
from benchmarks.trials.plans import Plans, enumerated
from benchmarks.trials.record import Record
from benchmarks.trials.sketch import Sketch
from benchmarks.trials.systems import SYSTEMS

COLUMNS = ["seed", "system", "formulation", "backend", "bounds"]
PLAIN = "plain"

LOST = 1e-5
"""What float64 may do to costs and violations, relative to ranges, for a system to take part."""


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Random problems in twelve systems of units.")
    parser.add_argument("--problems", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--backends", nargs="+", default=BACKENDS)
    parser.add_argument("--systems", nargs="+", default=[PLAIN, *SYSTEMS])
    parser.add_argument("--csv", type=Path)
    o = parser.parse_args()
    record = run(range(o.first, o.first + o.problems), o.backends, o.systems, o.csv, o.seconds)
    print("\n".join(record.lines()))
    return int(record.wrong > 0)


def run(
    seeds: range,
    backends: list[str],
    systems: Sequence[str] = (PLAIN, *SYSTEMS),
    csv: Path | None = None,
    seconds: float = float("inf"),
) -> Record:
    """Every seed and system that is not in the file, until the time is up."""
    begun = time.perf_counter()
    record = Record(csv, COLUMNS)
    done = record.done("seed", "system")
    for seed in seeds:
        case = case_of(seed, backends)
        for system in systems:
            if time.perf_counter() - begun > seconds:
                return record
            if (str(seed), system) in done:
                continue
            drawn = rewritten_problem(seed, system)
            if drawn is None:
                continue
            verdict = judged(*drawn, case)
            values = dict(zip(COLUMNS, (seed, system, case.formulation, case.backend, case.bounds), strict=True))
            record.add(values, verdict)
            if verdict.wrong:
                print(seed, system, case, *(f"{f.kind}: {f.detail}" for f in verdict.wrong), sep="  ", flush=True)
    return record


def base_sketch(seed: int, system: str) -> Sketch:
    """The problem of a seed in units of about one: every other one is larger, with 243 plans."""
    biases = not system.startswith("no biases")
    return classic(seed, biases) if seed % 2 else sketch(seed, biases)


def rewritten_problem(seed: int, system: str) -> tuple[r2m.Trajectory, Plans] | None:
    """The problem of a seed in a system of units, and its plans; None where float64 cannot hold it."""
    base = base_sketch(seed, system)
    plain = base.problem()
    plans = enumerated(plain)
    if system == PLAIN:
        return plain, plans
    units = SYSTEMS[system](base, plans, np.random.default_rng([seed, 4]))
    problem = base.problem(units)
    other = enumerated(problem)
    lost = np.abs(other.costs / units.cost - plans.costs).max() / plans.spread
    if lost > LOST or (other.feasible != plans.feasible).any():
        return None
    return problem, other


if __name__ == "__main__":
    sys.exit(main())
