"""How far one solve proves: the stand-ins for pushing a T, every width at every horizon, to one percent.

    python benchmarks/widths.py --backends gurobi --time-limit 300 --rows widths.csv
    python benchmarks/widths.py --bounds auto crown --search tree cells       # both searches, in turn
    python benchmarks/widths.py --net dynamics_768 --horizons 3 5 20 --costs terminal

Cases 0 and 1 of ../shared/nets/push_t without obstacles. Costs: `l1` and `quadratic`, the distance of the keypoints
from their targets at every step, and `terminal`, the L1 distance after the last. One row a problem, written as it ends;
rows that a file has already are not run again. At the end, how many were proven.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from planning import PUSH_T, pushed_t

import relu2mip as r2m
from relu2mip.errors import Relu2MipError

KEYS = "net", "case", "horizon", "cost", "backend", "bounds", "search"
FIELDS = (*KEYS, "status", "objective", "bound", "gap", "seconds")


def posed(net: str, case: int, horizon: int, cost: str) -> r2m.Trajectory:
    """The problem of one row."""
    problem = pushed_t(r2m.load(PUSH_T / f"{net}.onnx"), case, horizon)
    assert isinstance(problem.cost, r2m.costs.L1)
    given = {"target": problem.cost.target, "keypoints": problem.cost.keypoints}
    if cost == "terminal":
        return problem.changed(cost=r2m.costs.L1(**given, terminal=1.0))
    kind = r2m.costs.L1 if cost == "l1" else r2m.costs.Quadratic
    return problem.changed(cost=kind(**given, state=1.0))


def proven(
    problem: r2m.Trajectory, backend: str, bounds: str, search: str, gap: float, limit: float
) -> dict[str, object]:
    """The numbers of one row."""
    begun = time.perf_counter()
    try:
        answer = r2m.solve(problem, backend, bounds, search=search, time_limit=limit, gap=gap, threads=1)
    except Relu2MipError as error:
        return {"status": type(error).__name__, "seconds": round(time.perf_counter() - begun, 2)}
    numbers = {"objective": answer.objective, "bound": answer.bound, "gap": answer.gap}
    rounded = {name: round(float(value), 5) for name, value in numbers.items()}
    return {"status": answer.status, **rounded, "seconds": round(time.perf_counter() - begun, 2)}


def main() -> None:
    """Run what is missing and print every row."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--net", nargs="+", default=[f"distilled_2x{width}" for width in (8, 16, 24, 32)])
    flags.add_argument("--cases", type=int, nargs="+", default=[0])
    flags.add_argument("--horizons", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    flags.add_argument("--costs", nargs="+", choices=["l1", "quadratic", "terminal"], default=["l1"])
    flags.add_argument("--backends", nargs="+", default=["gurobi"])
    flags.add_argument("--bounds", nargs="+", default=["auto"])
    flags.add_argument("--search", nargs="+", default=["tree"], help="one for each of --bounds")
    flags.add_argument("--gap", type=float, default=0.01)
    flags.add_argument("--time-limit", type=float, default=300.0)
    flags.add_argument("--rows", type=Path, default=Path("widths.csv"))
    options = flags.parse_args()
    done = list(csv.DictReader(options.rows.open())) if options.rows.is_file() else []
    known = {tuple(row[key] for key in KEYS) for row in done}
    ways = list(zip(options.bounds, options.search, strict=True))
    axes = [(n, c, h, k, b, *way) for n in options.net for h in options.horizons for k in options.costs
            for c in options.cases for b in options.backends for way in ways]  # fmt: skip
    with options.rows.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if not done:
            writer.writeheader()
        for net, case, horizon, cost, backend, bounds, search in axes:
            key = dict(zip(KEYS, (net, str(case), str(horizon), cost, backend, bounds, search), strict=True))
            if tuple(key.values()) in known:
                continue
            problem = posed(net, case, horizon, cost)
            row = key | proven(problem, backend, bounds, search, options.gap, options.time_limit)
            done.append({name: str(value) for name, value in row.items()})
            writer.writerow(row)
            file.flush()
            print(*(f"{name}={value}" for name, value in row.items()), flush=True)
    closed = np.array([row["status"] == "optimal" for row in done])
    print(f"{closed.sum()} of {closed.size} proven")


if __name__ == "__main__":
    main()
