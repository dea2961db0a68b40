"""Read training data from .npz files.

Their keys, (N, ...) arrays of one length N:

    transitions    state (N, n), control (N, m), next_state (N, n); optional: rollout (N,), whole numbers; moved (N,),
                   true or false
    trajectories   state (R, T + 1, n), control (R, T, m); optional: length (R,), the number of controls of each;
                   moved (R, T)
    samples        input (N, n), output (N, m)

A key `metadata` may hold JSON: what it says of the names of columns (`state_names` and the like) holds where none are
given, the rest is the reader's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.errors import InvalidData, UnknownOption
from relu2mip.frontends.sparsify.data import Samples, Transitions

KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "transitions": (("state", "control", "next_state"), ("rollout", "moved")),
    "trajectories": (("state", "control"), ("length", "moved")),
    "samples": (("input", "output"), ()),
}
"""The keys of a file by what it holds: required ones, optional ones."""
NAMES: Mapping[str, tuple[str, ...]] = {
    "transitions": ("state_names", "control_names"),
    "trajectories": ("state_names", "control_names"),
    "samples": ("input_names", "output_names"),
}
"""The names of columns by what a file holds."""


def load_data(path: str | Path, **names: Sequence[str]) -> Transitions | Samples:
    """Read an .npz file of transitions, trajectories or samples; the module's text has its keys.

    names: `state_names` and `control_names`, or `input_names` and `output_names`.

    Raises `InvalidData` where the file cannot be read or its arrays do not fit, `UnknownOption` for other keys.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise InvalidData(f"{path}: cannot be read as .npz ({error}); write it with numpy.savez") from error
    kind = "samples" if {"input", "output"} & set(arrays) else "transitions"
    if kind == "transitions" and "next_state" not in arrays:
        kind = "trajectories"
    required, optional = KEYS[kind]
    names = {**_names_in(arrays.pop("metadata", None), kind, path), **names}
    for key in arrays:
        if key not in required + optional:
            raise UnknownOption(f"key of {kind} in {path}:", key, (*required, *optional, "metadata"))
    missing = [key for key in required if key not in arrays]
    if missing:
        raise InvalidData(f"{path}: has no {missing[0]!r}; {kind} need {', '.join(required)}")
    make: Any = {"transitions": Transitions.of, "trajectories": Transitions.of_trajectories, "samples": Samples.of}
    try:
        return make[kind](**arrays, **names)  # type: ignore[no-any-return]
    except InvalidData as error:
        raise InvalidData(f"{path}: {error}") from error


def _names_in(metadata: Any, kind: str, path: str | Path) -> dict[str, Sequence[str]]:
    """The names of columns that the metadata of a file say."""
    if metadata is None:
        return {}
    try:
        said = json.loads(str(metadata))
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise InvalidData(f"{path}: metadata is no JSON object; write json.dumps of a dict, or leave it out")
    found = {key: said[key] for key in NAMES[kind] if key in said}
    for key, names in found.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InvalidData(f"{path}: {key} in metadata is {names!r}; give a list of texts")
    return found
