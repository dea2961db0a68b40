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

from benchmarks.trials.continuous import searched
from benchmarks.trials.draw import sketch
from benchmarks.trials.grid import BACKENDS, case_of
from benchmarks.trials.judge import judged
from benchmarks.trials.plans import enumerated
from benchmarks.trials.record import Record

COLUMNS = ["seed", "formulation", "backend", "bounds", "controls"]


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
        continuous = seed % 6 == 5
        case = case_of(seed, backends)
        problem = sketch(seed, continuous=continuous).problem()
        plans = searched(problem, seed) if continuous else enumerated(problem)
        verdict = judged(problem, plans, case)
        kind = "continuous" if continuous else "discrete"
        values = dict(zip(COLUMNS, (seed, case.formulation, case.backend, case.bounds, kind), strict=True))
        record.add(values, verdict)
        if verdict.wrong:
            print(seed, case, *(f"{fault.kind}: {fault.detail}" for fault in verdict.wrong), sep="  ", flush=True)
    return record


if __name__ == "__main__":
    sys.exit(main())
