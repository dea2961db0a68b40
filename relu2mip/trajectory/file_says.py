"""The metadata of a network's file: the defaults of a problem, and contradictions to them.

The sparsifier writes ONNX metadata as JSON under `relu2mip.predicts` ("state" or "change"), `relu2mip.window`,
`relu2mip.state_names`, `relu2mip.control_names`, and the ranges of the training data, `relu2mip.state_range` and
`relu2mip.control_range` ({"lower": [...], "upper": [...]}), and `relu2mip.heading`, two names of points, where these
data were turned. Anyone may write the same keys, and `relu2mip.period`, the seconds of a step.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from relu2mip.accept import Reader, names, numbers, one_of, positive, refuse, whole
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.ir.heading import Heading

FROM_FILE: Any = None
"""The default of a field that the network's file may set."""

BEYOND = 0.01
"""Share of the data's range by which a value may leave it before it is worth a word."""


def _range(value: Any, where: str) -> tuple[Array, Array]:
    if not isinstance(value, dict) or set(value) != {"lower", "upper"}:
        refuse(value, where, "lower and upper")
    return numbers(value["lower"], where), numbers(value["upper"], where)


def heading(value: Any, where: str) -> Heading:
    """A heading, or the names of its two points."""
    if isinstance(value, Heading):
        return value
    points = names(value, where)
    if len(points) != 2 or points[0] == points[1]:
        refuse(value, where, "the names of two points")
    return Heading(*points)


READERS: dict[str, Reader] = {
    "predicts": one_of("state", "change"),
    "window": whole(1),
    "heading": heading,
    "period": positive,
    "state_names": names,
    "control_names": names,
    "state_range": _range,
    "control_range": _range,
}


def file_says(net: Graph) -> dict[str, Any]:
    """The entries of the file that a problem reads; raises `InvalidProblem` for one that cannot be read."""
    entries = net.source.metadata if net.source else {}
    said = {}
    for key, reader in READERS.items():
        if (entry := entries.get(f"relu2mip.{key}")) is not None:
            where = f"{net.name}: relu2mip.{key} in its file"
            try:
                said[key] = reader(json.loads(entry), where)
            except json.JSONDecodeError:
                raise InvalidProblem(f"{where} is {entry!r}; write it as JSON") from None
    return said


def agreed(given: Any, said: dict[str, Any], key: str, otherwise: Any, net: Graph) -> Any:
    """The value of a field: as given, else as the file says; raises `InvalidProblem` where they contradict."""
    if given is None:
        return said.get(key, otherwise)
    if key in said and said[key] != given:
        raise InvalidProblem(
            f"{key} is {given!r}, but the file of {net.name} says {said[key]!r} (relu2mip.{key}); leave out {key}, "
            "or correct the file"
        )
    return given


def beyond(said: dict[str, Any], key: str, values: Array) -> str:
    """Where values (*, size) leave the range of the training data: "entry 1 is 4.2, the data range over [-1, 1]"."""
    if key not in said or said[key][0].shape != values.shape[-1:]:
        return ""
    low, high = said[key]
    slack = BEYOND * (high - low)
    outside = (values < low - slack) | (values > high + slack)
    if not outside.any():
        return ""
    unit = int(np.argwhere(outside)[0][-1])
    value = values[outside].reshape(-1)[0]
    return f"entry {unit} is {value:g}, its network was fitted to data in [{low[unit]:g}, {high[unit]:g}]"
