"""relu2mip: piecewise-linear networks as mixed-integer programs, above all for planning through learned dynamics.

    import relu2mip as r2m
    net = r2m.load("dynamics.onnx")
    problem = r2m.Trajectory(net, horizon=10, initial_state=x0, predicts="change",
                             controls=r2m.Box(-1, 1), states=r2m.Box(lo, hi),
                             cost=r2m.costs.L1(target=goal, state=q, control=r))
    answer = r2m.solve(problem)

Everything here is imported when first used, so `import relu2mip` is fast and needs no solver.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Answer": "relu2mip.pipeline.answer",
    "AnyOf": "relu2mip.trajectory.choices",
    "Ball": "relu2mip.trajectory.choices",
    "Outside": "relu2mip.trajectory.choices",
    "Polygon": "relu2mip.trajectory.choices",
    "Soft": "relu2mip.trajectory.costs",
    "Bounds": "relu2mip.bounds",
    "Box": "relu2mip.trajectory.sets",
    "BoxProblem": "relu2mip.trajectory.box_problem",
    "Compiled": "relu2mip.pipeline.compiled",
    "Finite": "relu2mip.trajectory.sets",
    "Graph": "relu2mip.ir",
    "Linear": "relu2mip.trajectory.sets",
    "MipModel": "relu2mip.mip",
    "NormalForm": "relu2mip.normal_form",
    "Normalisation": "relu2mip.trajectory.dynamics",
    "Relu2MipError": "relu2mip.errors",
    "SolveOptions": "relu2mip.options",
    "Trajectory": "relu2mip.trajectory.problem",
    "compile": "relu2mip.pipeline.compiled",
    "embed": "relu2mip.pipeline.embedding",
    "load": "relu2mip.frontends.onnx:load_onnx",
    "scenarios": "relu2mip.trajectory.scenarios",
    "solve": "relu2mip.pipeline.solving",
    "trust_region": "relu2mip.trajectory.trust",
}
_MODULES = {
    "analysis": "relu2mip.analysis",
    "bounds": "relu2mip.bounds",
    "costs": "relu2mip.trajectory.costs",
    "errors": "relu2mip.errors",
    "formulations": "relu2mip.formulations",
    "study": "relu2mip.study",
}

__all__ = [
    "Answer",
    "AnyOf",
    "Ball",
    "Bounds",
    "Box",
    "BoxProblem",
    "Compiled",
    "Finite",
    "Graph",
    "Linear",
    "MipModel",
    "NormalForm",
    "Normalisation",
    "Outside",
    "Polygon",
    "Relu2MipError",
    "Soft",
    "SolveOptions",
    "Trajectory",
    "__version__",
    "analysis",
    "bounds",
    "compile",
    "costs",
    "embed",
    "errors",
    "formulations",
    "load",
    "scenarios",
    "solve",
    "study",
    "trust_region",
]

if TYPE_CHECKING:
    from relu2mip import analysis, bounds, errors, formulations, study
    from relu2mip.bounds import Bounds
    from relu2mip.errors import Relu2MipError
    from relu2mip.frontends.onnx import load_onnx as load
    from relu2mip.ir import Graph
    from relu2mip.mip import MipModel
    from relu2mip.normal_form import NormalForm
    from relu2mip.options import SolveOptions
    from relu2mip.pipeline.answer import Answer
    from relu2mip.pipeline.compiled import Compiled, compile
    from relu2mip.pipeline.embedding import embed
    from relu2mip.pipeline.solving import solve
    from relu2mip.trajectory import costs
    from relu2mip.trajectory.box_problem import BoxProblem
    from relu2mip.trajectory.choices import AnyOf, Ball, Outside, Polygon
    from relu2mip.trajectory.costs import Soft
    from relu2mip.trajectory.dynamics import Normalisation
    from relu2mip.trajectory.problem import Trajectory
    from relu2mip.trajectory.scenarios import scenarios
    from relu2mip.trajectory.sets import Box, Finite, Linear
    from relu2mip.trajectory.trust import trust_region


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = importlib.import_module(_MODULES[name])
    elif name in _WHERE:
        module, _, attribute = _WHERE[name].partition(":")
        value = getattr(importlib.import_module(module), attribute or name)
    else:
        raise AttributeError(f"module 'relu2mip' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
