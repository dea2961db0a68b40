"""Make a failing trial small: fewer steps, units, sets and costs, rounder numbers, while the same kind of fault stays.

    python -m benchmarks.trials.shrink 5 --system voltage --kind replay --out reproduction.py

Without a system the trial is one of `answers`, with it one of `units`. The reproduction is a script of its own, that
needs relu2mip alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.trials.answers import kind_of
from benchmarks.trials.continuous import searched
from benchmarks.trials.draw import sketch
from benchmarks.trials.grid import case_of
from benchmarks.trials.judge import Case, judged
from benchmarks.trials.network import PAIRED, Layer
from benchmarks.trials.plans import enumerated
from benchmarks.trials.reproduction import script
from benchmarks.trials.sketch import Sketch, Units
from benchmarks.trials.systems import SYSTEMS
from benchmarks.trials.units import base_sketch

Fails = Callable[[Sketch, Case], bool]


def main() -> int:
    """Shrink one trial and write it."""
    parser = argparse.ArgumentParser(description="A failing trial as a small script.")
    parser.add_argument("seed", type=int)
    parser.add_argument("--system")
    parser.add_argument("--kind", required=True, help="the kind of fault to keep")
    parser.add_argument("--backends", nargs="+")
    parser.add_argument("--backend", help="try this one instead")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path)
    o = parser.parse_args()
    case = case_of(o.seed, o.backends)
    if o.backend:
        case = replace(case, backend=o.backend)
    continuous = o.system is None and kind_of(o.seed) == "continuous"
    first = base_sketch(o.seed, o.system) if o.system else sketch(o.seed, continuous=continuous)

    def fails(trial: Sketch, how: Case) -> bool:
        try:
            problem = trial.problem(units_of(trial, o.system, o.seed))
            plans = searched(problem, o.seed) if continuous else enumerated(problem)
        except Exception:
            return False
        return o.kind in {fault.kind for fault in judged(problem, plans, how).faults}

    if not fails(first, case):
        print(f"seed {o.seed} has no fault {o.kind!r} with {case}")
        return 1
    small, how = shrunk(first, case, fails, o.seconds)
    problem = small.problem(units_of(small, o.system, o.seed))
    plans = searched(problem, o.seed) if continuous else enumerated(problem)
    found = [f"{f.kind}: {f.detail}" for f in judged(problem, plans, how).faults]
    text = script(small, units_of(small, o.system, o.seed), how, f"seed {o.seed}, {o.system or 'plain'}", found)
    if o.out is None:
        print(text)
    else:
        o.out.write_text(text)
        print(o.out, how, *found, sep="\n  ")
    return 0


def units_of(trial: Sketch, system: str | None, seed: int) -> Units:
    """The units of a trial; plain ones without a system."""
    if system is None or system == "plain":
        return Units.plain(trial.n, trial.m)
    return SYSTEMS[system](trial, enumerated(trial.problem()), np.random.default_rng([seed, 4]))


def shrunk(trial: Sketch, case: Case, fails: Fails, seconds: float) -> tuple[Sketch, Case]:
    """The smallest found in the time given, and the plainest case."""
    end = time.perf_counter() + seconds
    for simpler in (
        replace(case, start=False, seed=0),
        replace(case, start=False, seed=0, gap=1e-4),
        replace(case, start=False, seed=0, gap=1e-4, formulation="big-m"),
        replace(case, start=False, seed=0, gap=1e-4, formulation="big-m", bounds="crown"),
        replace(case, start=False, seed=0, gap=1e-4, bounds="crown"),
    ):
        if fails(trial, simpler):
            case = simpler
    if fails(replace(trial, double=True), case):
        trial = replace(trial, double=True)
    smaller = True
    while smaller and time.perf_counter() < end:
        smaller = False
        for candidate in _candidates(trial):
            if time.perf_counter() > end:
                break
            if fails(candidate, case):
                trial, smaller = candidate, True
                break
    return trial, case


def _candidates(s: Sketch) -> Iterator[Sketch]:
    if s.horizon > 1:
        short = [r for r in s.rows if max(r.steps) < s.horizon]
        yield replace(s, horizon=s.horizon - 1, rows=tuple(short))
    for field in ("states", "terminal", "rate", "past"):
        if getattr(s, field) is not None and not (field == "past" and s.window > 1):
            yield replace(s, **{field: None})
    if s.rows:
        yield replace(s, rows=())
    if len(s.terms) > 1:
        for k in range(len(s.terms)):
            yield replace(s, terms=s.terms[:k] + s.terms[k + 1 :])
    for k, term in enumerate(s.terms):
        for what in term.weights:
            if len(term.weights) > 1:
                fewer = {w: v for w, v in term.weights.items() if w != what}
                yield replace(s, terms=(*s.terms[:k], replace(term, weights=fewer), *s.terms[k + 1 :]))
        if np.any(term.target):
            yield replace(s, terms=(*s.terms[:k], replace(term, target=0.0), *s.terms[k + 1 :]))
    if s.levels is not None:
        for j, values in enumerate(s.levels):
            if values.size > 2:
                yield replace(s, levels=(*s.levels[:j], values[[0, -1]], *s.levels[j + 1 :]))
    for k in range(len(s.layers) - 1):
        for unit in range(s.layers[k].width if s.layers[k].width > 1 else 0):
            yield replace(s, layers=_without(s.layers, k, unit))
    for digits in (1, 2):
        rough = tuple(replace(y, weight=y.weight.round(digits), bias=y.bias.round(digits)) for y in s.layers)
        if any((a.weight != b.weight).any() for a, b in zip(rough, s.layers, strict=True)):
            yield replace(s, layers=rough)


def _without(layers: tuple[Layer, ...], k: int, unit: int) -> tuple[Layer, ...]:
    layer, after = layers[k], layers[k + 1]
    rows = [unit]
    if layer.activation == "max":
        rows = [unit, unit + layer.width]
    elif layer.activation in PAIRED:
        rows = [2 * unit, 2 * unit + 1]
    cut = replace(layer, weight=np.delete(layer.weight, rows, 0), bias=np.delete(layer.bias, rows))
    return (*layers[:k], cut, replace(after, weight=np.delete(after.weight, unit, 1)), *layers[k + 2 :])


if __name__ == "__main__":
    sys.exit(main())
