"""Files of arrays and what JSON holds, without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_npz(path: Path, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> Path:
    """Write arrays of numbers or texts, and the rest as JSON; the file's path. Raises `TypeError` for objects."""
    if objects := [name for name, array in arrays.items() if np.asarray(array).dtype.hasobject]:
        raise TypeError(f"{objects[0]} holds objects; give numbers or texts")
    with path.open("wb") as file:
        np.savez_compressed(file, meta=np.array(json.dumps(meta)), **arrays)
    return path


def read_npz(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and the rest of such a file; raises `OSError`, `ValueError` and `KeyError` where it is none."""
    with np.load(path, allow_pickle=False) as data:
        arrays: dict[str, Any] = {name: data[name] for name in data.files}
    return arrays, json.loads(str(arrays.pop("meta")))
