"""Answers and sizes as tables."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich.table import Table

from relu2mip.cli.console import facts, table, text

if TYPE_CHECKING:
    from relu2mip.arrays import Array
    from relu2mip.bounds.layers import LayerBounds
    from relu2mip.pipeline.answer import Answer
    from relu2mip.pipeline.statistics import Statistics

LAYER = ("step", "layer", "units", "active", "inactive", "unstable", "mean_width")
DROPPED = ("nonzeros", "mean width", "inactive", "active")
"""Columns that a narrow terminal does without, in this order."""

DROPPED_FACTS = ("mean_width", "inactive", "active")
"""The same of a comparison, the last first."""

SIZES = (*LAYER, "columns", "binaries", "rows", "nonzeros")


def layer_table(layers: Sequence[LayerBounds], names: Sequence[str]) -> Table:
    """One row for each layer and step, with the named facts."""
    rows = ([getattr(layer, name) for name in names] for layer in layers)
    headers = [name.replace("_", " ") for name in names]
    return table(headers, rows, left=["layer"], drop=[name for name in DROPPED if name in headers])


def comparison(stacks: Mapping[str, Sequence[LayerBounds]]) -> Table:
    """The same layers by several stacks of methods, side by side."""
    first, facts_ = next(iter(stacks.values())), LAYER[3:]
    headers = {(name, fact): f"{_wrapped(name)}\n{fact.replace('_', ' ')}" for name in stacks for fact in facts_}
    rows = (
        [
            *(getattr(layer, fact) for fact in LAYER[:3]),
            *(getattr(x[k], fact) for x in stacks.values() for fact in facts_),
        ]
        for k, layer in enumerate(first)
    )
    drop = {fact.replace("_", " "): [headers[name, fact] for name in stacks] for fact in reversed(DROPPED_FACTS)}
    return table([*LAYER[:3], *headers.values()], rows, left=["layer"], drop=drop)


def _wrapped(name: str) -> str:
    """The name of a stack of methods, one method a line."""
    return name.replace("+", "+\n")


def holds_for(cutoff: float | None, sign: float = 1.0) -> str:
    """Which plans bounds hold for. cutoff: as the model minimises it.  sign: -1 where the problem maximises."""
    if cutoff is None:
        return "all plans"
    return f"objective {'<=' if sign > 0 else '>='} {text(sign * cutoff)}"


def answer_tables(answer: Answer) -> Iterator[Table]:
    """The plan of an answer, step by step, or the inputs and outputs of a box problem."""
    if answer.states is not None:
        yield plan_table(answer)
    else:
        yield vector_table("input", answer.inputs)
        yield vector_table("output", answer.outputs)


def plan_table(answer: Answer, simulated: Array | None = None) -> Table:
    """Controls, states and the replay error of every step; or simulated states beside the planned ones."""
    assert answer.states is not None
    assert answer.controls is not None
    steps = [str(t) for t in range(len(answer.states))]
    columns = [("step", steps), *_columns(answer.control_names, answer.controls)]
    planned = _columns(answer.state_names, answer.states)
    if simulated is None:
        errors = ["", *(f"{error:.1e}" for error in replay_errors(answer))]
        columns += [*planned, ("replay\nerror", errors)]
    else:
        for (name, plan), (_, simulation) in zip(planned, _columns(answer.state_names, simulated), strict=True):
            columns += [(f"{name}\nplanned", plan), ("simulated", simulation)]
    headers, cells = zip(*columns, strict=True)
    return table(headers, zip_longest(*cells, fillvalue=""))


def _columns(names: Sequence[str], values: Array) -> list[tuple[str, list[str]]]:
    """A header, wrapped at its spaces, and aligned numbers for each column of an array."""
    headers = [textwrap.fill(name, 10, break_long_words=False) for name in names]
    return [(name, aligned(column)) for name, column in zip(headers, values.T.tolist(), strict=True)]


def vector_table(what: str, values: Mapping[str, Array]) -> Table:
    """Named vectors, one entry a row."""
    names = [f"{name}[{k}]" for name, value in values.items() for k in range(value.size)]
    entries = [entry for value in values.values() for entry in value.ravel().tolist()]
    return table([what, "value"], zip(names, aligned(entries), strict=True), left=[what])


def aligned(values: Sequence[float]) -> list[str]:
    """Numbers with one count of decimals, such that the largest has four digits; the JSON has all of them."""
    largest = max(map(abs, values), default=0.0)
    decimals = min(max(3 - math.floor(math.log10(largest)), 0), 12) if largest > 1e-12 else 3
    return [f"{round(value, decimals) + 0.0:.{decimals}f}" for value in values]


def replay_errors(answer: Answer) -> list[float]:
    """The worst error of the float64 replays at each step."""
    doubles = [errors for name, errors in answer.check.errors.items() if name != "onnxruntime"]
    return [max(step) for step in zip(*doubles, strict=True)]


def summary(answer: Answer) -> Table:
    """The plan in short: its cost, its bound, the solver, and the check."""
    check = answer.check
    found: dict[str, Any] = {
        "status": answer.status,
        "objective": answer.objective,
        "bound": text(answer.bound) + ("" if answer.sound else " (not proven: it rests on unsound bounds)"),
        "gap": f"{answer.gap:.3%}",
        "time": f"{answer.seconds:.2f} s, {answer.nodes} nodes",
        "solver": answer.solver or answer.backend,
        "compiled": f"{answer.formulation} with bounds {' + '.join(answer.bounds)}",
        "sizes": sizes(answer.statistics),
        "check": ("passed" if check.passed else "FAILED") + f", largest replay error {check.max_error:.1e}",
    }
    if not answer.exact:
        plan = "the plan is what the network makes of its controls" if answer.has_plan else "its controls are no plan"
        found["exact"] = f"no, {answer.formulation} is a relaxation: {plan}"
    if answer.cutoff is not None:
        found["bounds hold"] = f"for plans at least as good as {text(answer.cutoff)}, the best among them"
    if answer.lowered:
        found["lowered"] = ", ".join(answer.lowered)
    if answer.statistics.cuts is not None:
        found["cuts"] = str(answer.statistics.cuts)
    if answer.message:
        found["message"] = answer.message
    if notes := (*answer.statistics.notes, *check.notes):
        found["notes"] = "; ".join(notes)
    return facts(found)


def sizes(statistics: Statistics) -> str:
    """One line of totals."""
    return (
        f"{statistics.units} units ({statistics.stable} stable), {statistics.columns} columns "
        f"({statistics.binaries} binary), {statistics.rows} rows, {statistics.nonzeros} nonzeros"
    )
