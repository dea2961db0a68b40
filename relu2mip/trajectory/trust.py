"""A trust region: keep plans where data were, since a learned model says little elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.accept import numbers, refuse
from relu2mip.arrays import Array
from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.trajectory.sets import Linear


def trust_region(
    data: str | Path | Mapping[str, Any], quantile: float = 0.99, directions: str = "axes", margin: float = 0.0
) -> Linear:
    """A `Linear` constraint that holds states and controls where those of the data were.

    data: arrays `state` (N, n) and `control` (N, m), or the path of an .npz file with them.  quantile: the share of the
    data that lies within each row.  directions: "axes", a box; "principal", the principal directions of the data,
    which follow what states and controls do together; "both".  margin: by how much of their width the rows are widened.

    Give it among the `constraints`, or as `Soft(trust_region(...), weight)`. Nothing proves that the model predicts
    well all that lies within it.

    Raises `InvalidProblem` for data without these arrays, `InvalidOption` for a quantile outside of (0, 1].

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> region = trust_region({"state": rng.normal(size=(500, 2)), "control": rng.uniform(-1, 1, (500, 1))})
    >>> region.state.shape, region.control.shape
    ((3, 2), (3, 1))
    """
    if not 0 < quantile <= 1:
        raise InvalidOption(f"trust region: quantile is {quantile}; give a share in (0, 1]")
    if directions not in {"axes", "principal", "both"}:
        raise InvalidOption(f'trust region: directions is {directions!r}; give "axes", "principal" or "both"')
    if not margin >= 0:
        raise InvalidOption(f"trust region: margin is {margin}; give 0 or more")
    state, control = _arrays(data)
    points = np.concatenate([state, control], axis=1)
    size = points.shape[1]
    rows = [np.eye(size)] if directions != "principal" else []
    if directions != "axes":
        scale = points.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        _, _, principal = np.linalg.svd((points - points.mean(axis=0)) / scale, full_matrices=False)
        rows.append(principal / scale)
    matrix = np.concatenate(rows)
    values = points @ matrix.T
    lower, upper = np.quantile(values, [(1 - quantile) / 2, (1 + quantile) / 2], axis=0)
    room = margin * (upper - lower)
    n = state.shape[1]
    return Linear(matrix[:, :n], matrix[:, n:], lower - room, upper + room, name="trust region")


def _arrays(data: str | Path | Mapping[str, Any]) -> tuple[Array, Array]:
    held: Mapping[str, Any]
    if isinstance(data, Mapping):
        held = data
    elif not isinstance(data, str | Path):
        refuse(data, "trust region: data", "arrays state and control by name, or the path of an .npz file")
    else:
        try:
            with np.load(data, allow_pickle=False) as archive:
                held = {name: archive[name] for name in archive.files}
        except (OSError, ValueError) as error:
            raise InvalidProblem(f"trust region: {data} holds no data: {error}") from error
    if missing := [name for name in ("state", "control") if name not in held]:
        raise InvalidProblem(f"trust region: the data have no array {missing[0]!r}; they have {sorted(held)}")
    arrays = [np.atleast_2d(numbers(held[name], f"trust region: {name}")) for name in ("state", "control")]
    flat = [array.reshape(-1, array.shape[-1]) for array in arrays]
    if len(flat[0]) != len(flat[1]) or len(flat[0]) < 2 or not all(np.isfinite(part).all() for part in flat):
        raise InvalidProblem(
            f"trust region: state has shape {arrays[0].shape} and control {arrays[1].shape}; "
            "give as many of each, at least 2, finite"
        )
    return flat[0], flat[1]
