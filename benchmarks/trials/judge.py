"""What is wrong with an answer, held against plans that are known.

Kinds of faults; tolerances are relative to the ranges of states and costs over all plans, so they know no units:

suboptimal      "optimal", but a plan is better by more than the asked gap        impossible   better than any plan
bound           above the cost of a feasible plan                                 gap          "optimal" beyond the gap
contradiction   a bound above its own objective, an objective above a cutoff      start        worse than the plan given
replay          states that are not those of the controls                         set          a plan outside its sets
cost            an objective that is not the cost of the plan                     phantom      a plan where none exists
infeasible      claimed where a plan exists                                       failure      no plan, where one exists
unit bounds     a unit of a plan outside its bounds                               implication  contradicted by a plan
error           not a Relu2MipError                                               unproven     no plan and no proof

Counted, and not wrong: slow (stopped by the time limit), refused (not taken), unsettled (a plan, not called optimal).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import relu2mip as r2m
from benchmarks.trials.plans import TOLERATED, Plans, evaluated
from benchmarks.trials.rounding import rounding
from relu2mip.errors import BackendUnavailable, CapabilityMissing, InfeasibleProblem, NoIncumbent, Relu2MipError
from relu2mip.normal_form import Relu
from relu2mip.trajectory.names import name_of

HARMLESS = {"slow", "refused", "unsettled"}
"""What is counted and is not wrong."""

COST_TOLERANCE = 1e-4
"""Of the costs' range: what a solver's tolerances may do to an objective."""

REPLAY_TOLERANCE = 1e-3
"""Of a state's range."""

UNIT_ROUNDING = 1e-9
"""Of the range of a unit's bounds, beyond what float64 may be off."""


@dataclass(frozen=True)
class Fault:
    """What is wrong and by how much."""

    kind: str
    detail: str

    @property
    def wrong(self) -> bool:
        """Whether it counts."""
        return self.kind not in HARMLESS


@dataclass(frozen=True)
class Case:
    """How a problem is solved."""

    formulation: str
    backend: str
    bounds: str
    gap: float = 1e-4
    start: bool = False
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.formulation} {self.backend} {self.bounds}"


@dataclass(frozen=True)
class Verdict:
    """The faults, seconds, and the answer where there is one."""

    faults: tuple[Fault, ...]
    seconds: float
    answer: r2m.Answer | None = None

    @property
    def wrong(self) -> tuple[Fault, ...]:
        """The faults that count."""
        return tuple(fault for fault in self.faults if fault.wrong)


def judged(problem: r2m.Trajectory, plans: Plans, case: Case, time_limit: float = 20.0) -> Verdict:
    """Compile and solve, and hold everything said against the plans.

    `plans` are all there are where controls are discrete; otherwise they are what no bound may exclude.
    """
    known = plans.feasible
    start = _start(plans, case) if case.start else None

    def check_units(compiled: r2m.Compiled) -> list[Fault]:
        return unit_faults(compiled.all_bounds, _inputs(problem, plans, known), plans.costs[known])

    def check_answer(answer: r2m.Answer) -> list[Fault]:
        return answer_faults(problem, plans, answer, case, problem.discrete)

    return solved(problem, case, plans.best if known.any() else None, check_units, check_answer, start, time_limit)


def solved(
    problem: r2m.Trajectory | r2m.BoxProblem,
    case: Case,
    best: float | None,
    check_units: Callable[[r2m.Compiled], list[Fault]],
    check_answer: Callable[[r2m.Answer], list[Fault]],
    start: np.ndarray | None = None,
    time_limit: float = 20.0,
) -> Verdict:
    """Compile, solve and check; errors become faults where a plan is known, whose cost is `best`."""
    begun = time.perf_counter()
    faults: list[Fault] = []
    answer = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = r2m.compile(problem, bounds=case.bounds, formulation=case.formulation)
            faults += check_units(compiled)
            options = {"time_limit": time_limit, "gap": case.gap, "threads": 1, "seed": case.seed}
            answer = compiled.solve(case.backend, start=start, **options)
    except (CapabilityMissing, BackendUnavailable) as error:
        faults.append(Fault("refused", str(error)))
    except InfeasibleProblem as error:
        if best is not None:
            faults.append(Fault("infeasible", f"{type(error).__name__}, a plan costs {best:.9g}: {error}"))
    except NoIncumbent as error:
        limit = error.stop.replace("_", " ") == "time limit"
        faults.append(Fault("slow" if limit or best is None else "failure", str(error)))
    except Relu2MipError as error:
        faults.append(Fault(_kind(error, best), f"{type(error).__name__}: {error}"))
    except Exception as error:
        faults.append(Fault("error", f"{type(error).__name__}: {error}"))
    else:
        faults += check_answer(answer)
    return Verdict(tuple(faults), time.perf_counter() - begun, answer)


def _kind(error: Relu2MipError, best: float | None) -> str:
    if "regions" in str(error) and "limit" in str(error):
        return "refused"
    return "unproven" if best is None else "failure"


def answer_faults(
    problem: r2m.Trajectory, plans: Plans, answer: r2m.Answer, case: Case, discrete: bool = True
) -> list[Fault]:
    """What is wrong with an answer."""
    faults: list[Fault] = []

    def fault(kind: str, detail: str) -> None:
        faults.append(Fault(kind, detail))

    best, tolerance = plans.best, COST_TOLERANCE * plans.spread
    exists = bool(plans.feasible.any())
    asked = case.gap * abs(answer.objective) if answer.has_plan else 0.0
    if answer.status == "time limit":
        fault("slow", f"gap {answer.gap:.3g}")
    elif answer.status != "optimal" and answer.exact:
        fault("unsettled", f"{answer.status}, bound {answer.bound:.9g}: {answer.message}")
    if answer.sound and exists and answer.bound > best + tolerance:
        fault("bound", f"bound {answer.bound:.9g}, but a plan costs {best:.9g} (range {plans.spread:.3g})")
    if not answer.has_plan:
        if exists and answer.exact and answer.status != "time limit":
            fault("failure", f"{answer.status} without a plan; {'; '.join(answer.check.notes)}, best {best:.9g}")
        return faults
    if answer.bound > answer.objective + tolerance:
        fault("contradiction", f"bound {answer.bound:.9g} above its objective {answer.objective:.9g}")
    if answer.cutoff is not None and answer.objective > answer.cutoff + tolerance:
        fault("contradiction", f"objective {answer.objective:.9g} above the known {answer.cutoff:.9g}")
    if answer.status == "optimal":
        if answer.objective - answer.bound > 1.01 * asked + tolerance:
            fault("gap", f"objective {answer.objective:.9g}, bound {answer.bound:.9g}, gap asked {case.gap:g}")
        if exists and answer.objective > best + asked + tolerance:
            fault("suboptimal", f"objective {answer.objective:.9g}, but a plan costs {best:.9g}")
    controls = _nearest(problem, answer.controls) if discrete else answer.controls
    unit = np.ptp(np.stack(problem.control_limits), axis=(0, 1))
    if (np.abs(controls - answer.controls) > 1e-4 * np.where(unit > 0, unit, np.abs(controls).max() + 1e-30)).any():
        fault("set", f"controls {np.ravel(answer.controls).tolist()} are not values of their lists")
    true = evaluated(problem, controls[None], plans)
    away = (np.abs(true.states[0] - answer.states) / plans.width).max()
    if away > REPLAY_TOLERANCE:
        fault("replay", f"states are off by {away:.3g} of their range")
    if abs(answer.objective - true.costs[0]) > 10 * tolerance:
        fault(
            "cost", f"objective {answer.objective:.9g}, the plan costs {true.costs[0]:.9g} (range {plans.spread:.3g})"
        )
    if true.violation[0] > 100 * TOLERATED:
        fault("set", f"the plan leaves its sets by {true.violation[0]:.3g} of a range")
    if discrete and not np.isfinite(plans.lowest):
        fault("phantom", f"a plan of cost {answer.objective:.9g} where none exists")
    elif discrete and answer.objective < plans.lowest - 10 * tolerance:
        fault("impossible", f"objective {answer.objective:.9g}, but no plan is better than {plans.lowest:.9g}")
    if case.start and exists:
        given = float(evaluated(problem, _start(plans, case)[None], plans).costs[0])
        if answer.objective > given + tolerance:
            fault("start", f"objective {answer.objective:.9g}, the start costs {given:.9g}")
    return faults


def unit_faults(bounds: r2m.Bounds, inputs: dict[str, np.ndarray], costs: np.ndarray) -> list[Fault]:
    """Units of feasible plans (as good as the cutoff) outside their bounds, and implications they contradict.

    inputs: of the whole form, by name, a batch.  costs: as the model minimises them.
    """
    if bounds.cutoff is not None:
        chosen = costs <= bounds.cutoff
        inputs, costs = {name: x[chosen] for name, x in inputs.items()}, costs[chosen]
    if not bounds.sound or not costs.size:
        return []
    values = bounds.form.evaluate_all(inputs)
    faults = []
    worst, detail = 0.0, ""
    sides = zip(values, bounds.lower, bounds.upper, rounding(bounds.form, values), strict=True)
    for i, (value, low, high, allowed) in enumerate(sides):
        magnitude = np.maximum(np.abs(low), np.abs(high))
        width = np.maximum(high - low, np.ptp(value, axis=0))
        over = np.maximum(low - value, value - high) - allowed
        # Wide bounds about a large offset are judged on their width, points on their magnitude.
        size = np.where(width > 1e-6 * magnitude, width, 1e-4 * magnitude) + 1e-300
        share = over / size
        if share.size and share.max() > max(worst, UNIT_ROUNDING):
            plan, unit = np.unravel_index(int(share.argmax()), share.shape)
            worst = float(share.max())
            name = bounds.form.values[i].place.name(int(unit))
            detail = f"{name} is {value[plan, unit]:.12g}, bounds [{low[unit]:.12g}, {high[unit]:.12g}], {worst:.2g}"
    if worst > 0:
        faults.append(Fault("unit bounds", f"{detail} (cutoff {bounds.cutoff}, plans {costs.size})"))
    return faults + _implication_faults(bounds, values)


def _implication_faults(bounds: r2m.Bounds, values: list[np.ndarray]) -> list[Fault]:
    known = bounds.implications
    for k in range(known.size):
        sides = []
        for value, unit, sign in (
            (known.first[k], known.first_unit[k], known.first_sign[k]),
            (known.second[k], known.second_unit[k], known.second_sign[k]),
        ):
            relu = bounds.form.values[value]
            assert isinstance(relu, Relu)
            x = values[relu.input][:, unit]
            sides.append(sign * x / (np.abs(x).max() or 1.0))
        broken = (sides[0] > 1e-6) & (sides[1] < -1e-6)
        if broken.any():
            return [Fault("implication", f"number {k} does not hold for plan {int(np.argmax(broken))}")]
    return []


def _inputs(problem: r2m.Trajectory, plans: Plans, chosen: np.ndarray) -> dict[str, np.ndarray]:
    count = int(chosen.sum())
    low, _ = problem.initial_limits
    inputs = {name_of("state", k): np.tile(low[k - 1], (count, 1)) for k in range(1 - problem.window, 1)}
    past = problem.known_controls
    inputs |= {name_of("control", k): np.tile(past[k], (count, 1)) for k in range(1 - problem.window, 0)}
    controls = plans.controls[chosen]
    return inputs | {name_of("control", t): controls[:, t] for t in range(problem.horizon)}


def _nearest(problem: r2m.Trajectory, controls: np.ndarray) -> np.ndarray:
    lists = problem.control_values
    columns = [v[np.abs(controls[:, j, None] - v).argmin(axis=1)] for j, v in enumerate(lists)]
    return np.stack(columns, axis=1)


def _start(plans: Plans, case: Case) -> np.ndarray | None:
    """The second best feasible plan, or the best."""
    order = np.argsort(np.where(plans.feasible, plans.costs, np.inf))
    if not plans.feasible.any():
        return None
    return plans.controls[order[min(1, int(plans.feasible.sum()) - 1)]]
