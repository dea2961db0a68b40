"""A trial as a script of its own, that needs relu2mip and onnx alone."""

from __future__ import annotations

import numpy as np

import relu2mip as r2m
from benchmarks.trials.judge import Case
from benchmarks.trials.network import LEAK, Layer
from benchmarks.trials.sketch import Sketch, Units

HEAD = '''"""{title}

{found}
"""
import itertools
from math import inf

import numpy as np
import onnx
from onnx import helper, numpy_helper

import relu2mip as r2m

nodes, tensors = [], []


def const(value):
    tensors.append(numpy_helper.from_array(np.array(value), f"c{{len(tensors)}}"))
    return tensors[-1].name


def node(op, inputs, **attributes):
    nodes.append(helper.make_node(op, inputs, [f"v{{len(nodes)}}"], **attributes))
    return f"v{{len(nodes) - 1}}"


def net(inputs, outputs, layers):
    nodes.clear(), tensors.clear()
    x = "x"
    for weight, bias, activation, limit in layers:
        z = node("Gemm", [x, const(weight), const(bias)], transB=1)
        half = len(weight) // 2
        if activation == "none":
            x = z
        elif activation in ("max", "pool"):
            z = node("Reshape", [z, const([-1, 1, 2, half] if activation == "max" else [-1, 1, half, 2])])
            x = node("ReduceMax", [z, const([2 if activation == "max" else 3])], keepdims=0)
            x = node("Reshape", [x, const([-1, half])])
        elif activation == "clip":
            x = node("Clip", [z, const(-limit), const(limit)])
        else:
            op = {{"relu": "Relu", "leaky": "LeakyRelu", "abs": "Abs"}}[activation]
            x = node(op, [z], **({{"alpha": {leak}}} if activation == "leaky" else {{}}))
    ports = [helper.make_tensor_value_info(k, 11, ["N", s]) for k, s in (("x", inputs), (x, outputs))]
    graph = helper.make_graph(nodes, "net", ports[:1], ports[1:], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return r2m.load(made.SerializeToString())

'''

TAIL = """
if problem.discrete:
    one = list(itertools.product(*problem.control_values))
    plans = np.array(list(itertools.product(one, repeat=problem.horizon)))
    states = problem.rollout(plans)
    low, high = problem.state_limits
    inside = ((states[:, 1:] >= low) & (states[:, 1:] <= high)).all(axis=(1, 2))  # rows and rates are not looked at
    costs = problem.evaluate_cost(states, plans)
    print("inside the boxes:", inside.sum(), "of", inside.size, "plans; best", costs[inside].min(initial=np.inf))
answer = r2m.solve(problem, {backend!r}, bounds={bounds!r}, formulation={formulation!r}, gap={gap!r}, threads=1)
replayed = problem.rollout(answer.controls, answer.states[0] if problem.window == 1 else None)
print(answer.status, "has_plan", answer.has_plan, "objective", answer.objective, "bound", answer.bound)
print("cost of these controls:", problem.evaluate_cost(replayed, answer.controls))
print("replay off by, of each state's range:", np.abs(replayed - answer.states).max(axis=0) / np.ptp(replayed, axis=0))
"""


def script(sketch: Sketch, units: Units, case: Case, title: str, found: list[str]) -> str:
    """Python source that builds the problem in its units, solves it and prints both truths."""
    problem = sketch.problem(units)
    u = units.controls
    lines = [HEAD.format(title=title, found="\n".join(line[:200] for line in found), leak=LEAK)]
    layers = sketch.rewritten(units)
    lines.append(_net("network", layers))
    costs = []
    for k, term in enumerate(sketch.terms):
        if term.kind == "network":
            lines.append(_net(f"cost{k}", sketch.rewritten_cost(term, units)))
            costs.append(f"r2m.costs.Network(cost{k}, terminal={term.terminal!r})")
            continue
        cost = sketch.cost(term, units)
        names = ("target", "state", "control", "terminal", "control_rate")
        given = {name: getattr(cost, name) for name in names if getattr(cost, name) is not None}
        arguments = ", ".join(f"{name}={_text(value)}" for name, value in given.items())
        costs.append(f"r2m.costs.{type(cost).__name__}({arguments})")
    fields = {
        "horizon": repr(sketch.horizon),
        "initial_state": _text(problem.initial_state),
        "predicts": repr(sketch.predicts),
        "window": repr(sketch.window),
        "controls": f"r2m.Finite({_text(problem.controls.values)})"
        if sketch.levels is not None
        else _box(problem.controls),
        "states": _box(problem.states),
        "terminal": _box(problem.terminal),
        "control_rate": _box(problem.control_rate),
        "previous_controls": _text(None if sketch.past is None else u(sketch.past)),
        "constraints": f"[{', '.join(map(_linear, problem.constraints))}]",
        "cost": " + ".join(costs) or "None",
    }
    plain = {"None", "[]"}
    lines += ["problem = r2m.Trajectory(\n    network,"]
    lines += [f"    {key}={value}," for key, value in fields.items() if value not in plain]
    lines.append(")")
    tail = TAIL.format(backend=case.backend, bounds=case.bounds, formulation=case.formulation, gap=case.gap)
    return "\n".join(lines) + tail


def _net(name: str, layers: list[Layer]) -> str:
    rows = [f"    ({_text(y.weight)}, {_text(y.bias)}, {y.activation!r}, {float(y.limit)!r})," for y in layers]
    return "\n".join([f"{name} = net({layers[0].weight.shape[1]}, {layers[-1].weight.shape[0]}, [", *rows, "])"])


def _text(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    return repr(np.asarray(value, dtype=float).tolist())


def _box(box: object) -> str:
    return "None" if box is None else f"r2m.Box({_text(box.lower)}, {_text(box.upper)})"


def _linear(row: r2m.Linear) -> str:
    parts = [_text(value) for value in (row.state, row.control, row.lower, row.upper)]
    return f"r2m.Linear({', '.join(parts)}, steps={row.steps})"
