"""Are the answers right? Random planning problems, each solved by one of all combinations, held against all plans.

    python -m benchmarks.trials.answers --problems 10000 --csv build/answers.csv

Problem k is always the same, and so is its combination of formulation, backend and bounds; what is in the CSV file
already is left out, so a run goes on where it was stopped. Exit code 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.trials.boxes import box_problem, judged_box
from benchmarks.trials.continuous import searched
from benchmarks.trials.draw import sketch
from benchmarks.trials.grid import BACKENDS, case_of
from benchmarks.trials.judge import Case, Verdict, judged
from benchmarks.trials.plans import enumerated
from benchmarks.trials.record import Record

COLUMNS = ["seed", "formulation", "backend", "bounds", "problem"]
KINDS = {"discrete": 0.7, "continuous": 0.15, "box": 0.15}


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Random problems against enumeration.")
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--backends", nargs="+", default=BACKENDS)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    record = run(range(options.first, options.first + options.problems), options.backends, options.csv, options.seconds)
    print("\n".join(record.lines()))
    return int(record.wrong > 0)


def run(seeds: range, backends: list[str], csv: Path | None = None, seconds: float = float("inf")) -> Record:
    """Every seed that is not in the file, until the time is up."""
    begun = time.perf_counter()
    record = Record(csv, COLUMNS)
    done = record.done("seed")
    for seed in seeds:
        if (str(seed),) in done:
            continue
        if time.perf_counter() - begun > seconds:
            break
        case = case_of(seed, backends)
        kind = kind_of(seed)
        verdict = trial(seed, case, kind)
        values = dict(zip(COLUMNS, (seed, case.formulation, case.backend, case.bounds, kind), strict=True))
        record.add(values, verdict)
        if verdict.wrong:
            print(seed, case, *(f"{fault.kind}: {fault.detail}" for fault in verdict.wrong), sep="  ", flush=True)
    return record


def kind_of(seed: int) -> str:
    """Which kind of problem a seed stands for."""
    return str(np.random.default_rng([seed, 8]).choice(list(KINDS), p=list(KINDS.values())))


def trial(seed: int, case: Case, kind: str) -> Verdict:
    """One problem, solved one way."""
    if kind == "box":
        return judged_box(box_problem(seed), case, seed)
    problem = sketch(seed, continuous=kind == "continuous").problem()
    return judged(problem, searched(problem, seed) if kind == "continuous" else enumerated(problem), case)


if __name__ == "__main__":
    sys.exit(main())
