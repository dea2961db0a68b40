"""Every public argument gets a hundred wrong and odd values: a right object, or an error that names the argument.

An object that is made is right if it says of itself what the value plainly says, which its compiled form is held to;
an error is a `Relu2MipError` whose text has the argument's name.
"""

import dataclasses
import decimal
import fractions
import pathlib
import warnings
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import cvxpy
import numpy as np
import pytest
import scipy.sparse as sp

import relu2mip as r2m
from relu2mip.errors import Relu2MipError
from relu2mip.ir.samples import integrator, tiny
from relu2mip.registry import backends, bound_methods, formulations

C = r2m.costs
ODD: dict[str, Any] = {
    "None": None, "True": True, "False": False, "0": 0, "1": 1, "-1": -1, "2": 2, "3": 3, "10": 10, "1e6": 10**6,
    "huge": 10**30, "0.0": 0.0, "1.0": 1.0, "0.5": 0.5, "-0.5": -0.5, "nan": np.nan, "inf": np.inf, "-inf": -np.inf,
    "1e-300": 1e-300, "1e300": 1e300, "complex": 1 + 2j, "decimal": decimal.Decimal("0.5"),
    "fraction": fractions.Fraction(1, 2), "text": "abc", "empty text": "", "digits": "1", "spaces": "  ", "θ": "θ",
    "comma": "a,b", "bytes": b"ab", "path": pathlib.Path("nowhere.onnx"), "list": [], "tuple": (), "dict": {},
    "set": {1.0, 2.0}, "frozenset": frozenset({1}), "range": range(2),
    "[None]": [None], "[True]": [True], "[1]": [1], "[1, 2]": [1, 2], "[1.0, 2.0]": [1.0, 2.0], "(0, 1)": (0, 1),
    "(1, 0)": (1, 0), "[-1, 1]": [-1, 1], "three": [1.0, 2.0, 3.0], "four": [1.0, 2.0, 3.0, 4.0], "texts": ["a", "b"],
    "one text": ["a"], "digits in a list": ["1", "2"], "nan in a list": [np.nan, 0.0], "inf in a list": [np.inf, 0.0],
    "ragged": [[1.0], [1.0, 2.0]], "nested": [[1.0, 2.0], [3.0, 4.0]], "column": [[1.0], [2.0]], "row": [[1.0, 2.0]],
    "deep": [[[1.0, 2.0]]], "empty row": [[]], "mixed": [1.0, "a"], "mixed none": [1.0, None], "dict in list": [{}],
    "int array": np.array([1, 2]), "float array": np.array([0.5, 0.5]), "float32": np.float32([0.5, 0.25]),
    "0-d": np.array(1.0), "bool array": np.array([True, False]), "object array": np.array([1.0, None], dtype=object),
    "text array": np.array(["1", "2"]), "complex array": np.array([1j, 2.0]), "empty array": np.zeros(0),
    "matrix": np.eye(2), "3 x 3": np.eye(3), "(3, 2)": np.ones((3, 2)), "(2, 3)": np.ones((2, 3)),
    "(3, 1)": np.ones((3, 1)), "cube": np.zeros((2, 2, 2)), "nan array": np.array([np.nan, np.nan]),
    "masked": np.ma.array([1.0, 2.0], mask=[True, False]), "sparse": sp.eye_array(2, format="csr"),
    "int64": np.int64(2), "float64": np.float64(0.5), "float nan": np.float64(np.nan), "bool_": np.bool_(True),
    "datetime": np.datetime64("2020-01-01"), "object": object(), "type": int, "class": r2m.Box, "function": len,
    "lambda": lambda *_: 0.0, "exception": ValueError("x"), "module": np,
    "namespace": SimpleNamespace(lower=0, upper=1),
    "Box": r2m.Box(-1.0, 1.0), "tight Box": r2m.Box([-2, -2], [2, 2]), "Box of three": r2m.Box([0, 0, 0], 1),
    "infinite Box": r2m.Box(-np.inf, np.inf), "empty Box": r2m.Box(1.0, 0.0), "nan Box": r2m.Box(np.nan, 1.0),
    "Finite": r2m.Finite([-1, 0, 1]), "two Finite": r2m.Finite([[0, 1], [0, 1]]), "[Box]": [r2m.Box(-1, 1)],
    "[Finite]": [r2m.Finite([0, 1])], "[Box, Finite]": [r2m.Box(-1, 1), r2m.Finite([0, 1])],
    "Linear": r2m.Linear([[1.0, 1.0]], upper=9.0), "[Linear]": [r2m.Linear([[1.0, 1.0]], upper=9.0)],
    "Linear at steps": r2m.Linear([[1.0, 1.0]], upper=9.0, steps=[1]),
    "wide Linear": r2m.Linear([[1.0] * 3], upper=9.0),
    "control Linear": r2m.Linear(control=[[1.0]], upper=9.0), "L1": C.L1(state=1.0), "[L1]": [C.L1(state=1.0)],
    "costs": [C.L1(state=1.0), C.LInf(control=1.0)], "wide L1": C.L1(state=[1.0] * 3), "net": integrator(),
    "other net": tiny(), "Normalisation": r2m.Normalisation((0.0, 2.0)), "names": ("position", "speed"),
    "mapping": {"x": ["states", "controls"]}, "unknown key": {"time_limt": 3}, "option": {"time_limit": 3},
    "wrong option": {"time_limit": "soon"}, "SolveOptions": r2m.SolveOptions(), "bounds name": "crown",
    "method": r2m.bounds.Crown(), "[method]": [r2m.bounds.Ibp()], "formulation": "big-m", "backend": "highs",
}  # fmt: skip
assert len(ODD) > 120

GOOD: dict[Callable[..., Any], Mapping[str, Any]] = {
    r2m.Box: {"lower": -1.0, "upper": 1.0},
    r2m.Finite: {"values": [[-1.0, 1.0]]},
    r2m.Linear: {"state": [[1.0, 0.0]], "control": None, "lower": -9.0, "upper": 9.0, "steps": [1], "name": "lane"},
    r2m.Normalisation: {"state": (0.0, 1.0), "control": (0.0, 1.0), "output": None},
    C.L1: {"target": 0.0, "state": 1.0, "control": None, "terminal": None, "control_rate": None, "keypoints": None,
           "control_target": 0.0},
    C.LInf: {"state": 1.0, "target": 0.0}, C.Quadratic: {"state": 1.0, "terminal": None},
    C.Network: {"net": tiny(), "weight": 1.0, "terminal": 0.0},
    r2m.SolveOptions: dataclasses.asdict(r2m.SolveOptions()),
    r2m.Trajectory: {
        "net": integrator(), "horizon": 3, "initial_state": [1.0, 0.0], "controls": r2m.Box(-1, 1),
        "predicts": "change",
        "states": r2m.Box(-9, 9), "cost": C.L1(state=1.0), "window": 1, "inputs": None, "output": None,
        "normalisation": None, "control_rate": None, "previous_controls": None, "constraints": (), "terminal": None,
        "state_names": None, "control_names": None, "options": {}, "delay": 0, "known": {},
    },
    r2m.BoxProblem: {"net": tiny(), "lower": -1.0, "upper": 1.0, "objective": [1.0], "sense": "min", "options": {}},
}  # fmt: skip
for registry in (bound_methods, formulations, backends):
    for part in registry.values():
        known = (f for f in dataclasses.fields(part) if f.init and f.default is not dataclasses.MISSING)
        GOOD[part] = {f.name: f.default for f in known}
GOOD[r2m.bounds.Data] |= {"samples": {"state": np.zeros((3, 2)), "control": np.zeros((3, 1))}}

GOOD[r2m.compile] = {"problem": r2m.Trajectory(**GOOD[r2m.Trajectory]), "bounds": "ibp", "formulation": "big-m"}
GOOD[r2m.solve] = {
    **GOOD[r2m.compile], "backend": "highs", "start": None, "progress": None, "time_limit": 5.0, "gap": 1e-3, "seed": 1,
}  # fmt: skip
GOOD[r2m.embed] = {
    "net": tiny(), "x": cvxpy.Variable(2), "model": [], "lower": -1.0, "upper": 1.0, "bounds": "ibp",
    "formulation": "big-m", "name": None,
}  # fmt: skip
GOOD[r2m.Trajectory(**GOOD[r2m.Trajectory]).rollout] = {"controls": np.zeros((3, 1)), "initial_state": [0.0, 0.0]}
GOOD[r2m.Trajectory(**GOOD[r2m.Trajectory]).evaluate_cost] = {"states": np.zeros((4, 2)), "controls": np.zeros((3, 1))}

ALSO = {
    "constraints": ["constraint '"], "net": ["objective", "input 'x'"], "initial_state": ["start"],
    "problem": ["Trajectory"],
}  # fmt: skip
"""What an error may name in place of an argument: the part of it, or another one that it does not fit."""

PLACES = [
    pytest.param(make, name, id=f"{make.__name__}.{name}") for make, arguments in GOOD.items() for name in arguments
]


def problem_of(made: Any) -> r2m.Trajectory | r2m.BoxProblem | None:
    """A problem that uses what was made."""
    base = GOOD[r2m.Trajectory]
    if isinstance(made, r2m.Trajectory | r2m.BoxProblem):
        return made
    if isinstance(made, r2m.Box):
        return r2m.Trajectory(**{**base, "states": made})
    if isinstance(made, r2m.Finite):
        return r2m.Trajectory(**{**base, "controls": made})
    if isinstance(made, r2m.Linear):
        return r2m.Trajectory(**{**base, "constraints": made})
    if isinstance(made, r2m.Normalisation):
        return r2m.Trajectory(**{**base, "normalisation": made})
    if isinstance(made, C.Cost):
        return r2m.Trajectory(**{**base, "cost": made})
    return None


@pytest.mark.parametrize(("make", "name"), PLACES)
def test_every_argument(make: Callable[..., Any], name: str) -> None:
    wrong = [
        f"{name}={label}: {what}"
        for label, value in ODD.items()
        if not (name == "progress" and callable(value)) and (what := fault(make, name, value))
    ]
    assert not wrong, "\n".join(wrong)


def fault(make: Callable[..., Any], name: str, value: Any) -> str:
    """What is wrong with what becomes of a value; empty where nothing is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = make(**{**GOOD[make], name: value})
    except Relu2MipError as error:
        named = any(word in str(error) for word in (name, *ALSO.get(name, ())))
        return "" if named else f"the error does not name it: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    try:
        problem = problem_of(made)
        if problem is not None:
            assert_usable(problem)
    except Relu2MipError:
        return ""
    except Exception as error:
        return f"it is taken, and later {type(error).__name__}: {error}"
    return ""


def assert_usable(problem: r2m.Trajectory | r2m.BoxProblem) -> None:
    """The problem compiles, and a plan has a cost."""
    if isinstance(problem, r2m.Trajectory) and problem.horizon > 50:
        return
    r2m.compile(problem, bounds="ibp")
    if isinstance(problem, r2m.Trajectory):
        controls = np.zeros((problem.horizon, problem.m))
        states = problem.rollout(controls, np.zeros((problem.window, problem.n)))
        assert np.isfinite(problem.evaluate_cost(states, controls))
