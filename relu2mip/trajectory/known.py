"""Signals that are known beforehand: forecasts, measured disturbances, parameters; a network may read them by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from relu2mip.accept import numbers, refuse, text
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph


def known_signals(net: Graph, given: Mapping[str, Any], horizon: int) -> dict[str, Array]:
    """Each signal by step, (H, k).

    A number holds at all steps, (H,) is one number a step, and (k,) for an input of k entries holds at all steps.
    """
    sizes = {port.name: port.size for port in net.inputs}
    return {text(name, "a name in known"): _signal(x, name, horizon, sizes.get(name)) for name, x in given.items()}


def unread(net: Graph) -> dict[str, int]:
    """Inputs that no node of a network reads, and their sizes."""
    read = {name for node in net.nodes for name in node.inputs} | {port.name for port in net.outputs}
    return {port.name: port.size for port in net.inputs if port.name not in read}


def _signal(value: Any, name: str, horizon: int, size: int | None) -> Array:
    where = f"known[{name!r}]"
    wanted = f"finite numbers of shape ({horizon}, {'k' if size is None else size}), a row for each step"
    array = numbers(value, where, wanted)
    if not np.isfinite(array).all():
        refuse(value, where, wanted)
    if array.ndim == 1 and array.size == horizon == size and size > 1:
        raise InvalidProblem(f"{where} may be {size} entries or {horizon} steps; {wanted}")
    if array.ndim == 0 and size in {None, 1}:
        return np.full((horizon, 1), float(array))
    if array.ndim == 1 and array.size == horizon and size in {None, 1}:
        return array[:, None]
    if array.ndim == 1 and array.size == size:
        return np.tile(array, (horizon, 1))
    if array.ndim == 2 and array.shape[0] == horizon and size in {None, array.shape[1]} and array.shape[1]:
        return array
    return refuse(array, where, wanted)
