"""A store full of made-up results, for what reads stores: times follow from the arm, some trials reach their limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.study import Axes, Networks, Problem, Store, Study
from relu2mip.study.environment import environment
from relu2mip.study.trial import Trial
from tests.study.small import TABLES

FORMULATIONS = ("big-m", "ideal", "partition", "convex-hull", "triangle")
SPEED = {"big-m": 1.0, "ideal": 0.5, "partition": 2.0, "convex-hull": 4.0, "triangle": 0.1}
LIMIT = 10.0


def study_of(folder: Path, states: int, **changes: Any) -> Study:
    """Five formulations, two bounds and a planner, on two networks at two horizons."""
    given: dict[str, Any] = {
        "networks": [Networks(random={"width": [4, 8]})],
        "problems": [
            Problem(
                tables=TABLES,
                name="swing",
                horizons=[2, 4],
                initial_states={"count": states, "lower": -0.5, "upper": 0.5},
            )
        ],
        "axes": Axes(bounds=["ibp", "crown"], formulation=FORMULATIONS, planner="cem", time_limit=LIMIT),
        "baseline": {"formulation": "big-m"},
        "question": "Which formulation is fastest, where times are made up?",
        "folder": folder,
    }
    return Study("made-up", **{**given, **changes})


def result(trial: Trial, rng: np.random.Generator) -> dict[str, Any]:
    """What a trial might have found."""
    instance, arm = trial.instance, trial.arm
    optimum = 1.0 + instance.initial_state % 7
    found: dict[str, Any] = {"environment": environment(), "attempts": 1, "worker": "here:1", "sense": "min"}
    draw = rng.uniform()
    if draw < 0.01:
        return {**found, "outcome": "crashed", "message": "the process of the trial was killed by SIGSEGV <b>"}
    if draw < 0.02:
        return {**found, "outcome": "refused", "message": "the licence takes 2,000 columns"}
    own = 0.05 * instance.horizon * instance.relus * rng.lognormal(0, 0.7)
    seconds = own / SPEED.get(arm.formulation, 1.0) / (1.5 if arm.bounds == "crown" else 1.0)
    solved = seconds < LIMIT and arm.formulation not in ("triangle", "")
    seconds = min(seconds, LIMIT)
    bound = optimum if solved else 0.8 * optimum
    steps = np.sort(rng.uniform(0, seconds, 5)).tolist()
    plans = [[at, optimum * (2.0 - k / 4)] for k, at in enumerate(steps)]
    bounds = [[at, bound * k / 4] for k, at in enumerate(steps)]
    size = instance.horizon * instance.relus * (4 if arm.formulation == "convex-hull" else 1)
    return {
        **found,
        "exact": arm.formulation != "triangle",
        "outcome": "solved" if solved else "plan",
        "status": "optimal" if solved else "time limit",
        "objective": optimum,
        "bound": bound if arm.formulation else None,
        "gap": (optimum - bound) / optimum if arm.formulation else None,
        "relaxation": optimum * (0.5 if arm.formulation == "big-m" else 0.7) if arm.formulation else None,
        "seconds": seconds,
        "wall_seconds": seconds + 0.1,
        "started": 1.79e9,
        "nodes": int(100 * seconds),
        "columns": size,
        "binaries": size,
        "rows": 2 * size,
        "nonzeros": 6 * size,
        "peak_memory": 1e8,
        "plans": plans,
        "bounds": bounds,
    }


def made_up(folder: Path, states: int = 3, **changes: Any) -> Path:
    """The store."""
    study = study_of(folder, states, **changes)
    rng = np.random.default_rng(0)
    with Store.create(folder / "made-up.db", study.name, study.about) as store:
        store.plan(study.trials)
        store._connection.execute("PRAGMA synchronous = OFF")
        for trial in study.trials:
            store.add(trial.key, result(trial, rng))
    return folder / "made-up.db"
