"""Bounds in a file: an .npz of plain arrays, and a header in JSON with what the bounds rest on and came from.

Nothing of a file is used before its premises, the version of relu2mip among them, were compared with the problem.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.normal_form import NormalForm
from relu2mip.unrolled.implications import Implications
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.premises import Premises
from relu2mip.unrolled.provenance import Provenance

FORMAT = 1
DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)
"""Errors that reading another kind of file may raise."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """The numbers of bounds: lower and upper vectors of each value, implications, and a plan where they rest on one."""

    lower: tuple[Array, ...]
    upper: tuple[Array, ...]
    implications: Implications
    plan: Plan | None


@dataclass(frozen=True, eq=False)
class Archive:
    """The content of a file; `premises` are without boxes until the form is known."""

    path: Path
    arrays: Mapping[str, Array]
    plan: Mapping[str, float] | None
    premises: Premises
    provenance: tuple[Provenance, ...]

    def restored(self, form: NormalForm) -> tuple[Premises, Vectors]:
        """The bounds, for a form whose facts are those of the file; raises `InvalidProblem` for a damaged file."""
        try:
            return self._restored(form)
        except DAMAGE as error:
            raise InvalidProblem(f"{self.path} is damaged ({error}); compute the bounds again") from error

    def _restored(self, form: NormalForm) -> tuple[Premises, Vectors]:
        arrays, sizes = self.arrays, [value.size for value in form.values]
        lower, upper = _split(arrays["lower"], sizes), _split(arrays["upper"], sizes)
        if not all((low <= high).all() for low, high in zip(lower, upper, strict=True)):
            raise ValueError("lower bounds above upper ones, or no numbers")
        boxed = arrays["boxed"].tolist()
        sides = [_split(arrays[name], [sizes[i] for i in boxed]) for name in ("box_lower", "box_upper")]
        boxes = dict(zip(boxed, zip(*sides, strict=True), strict=True))
        plan = None
        if self.plan is not None:
            inputs = _split(arrays["plan"], [sizes[i] for i in form.inputs.values()])
            plan = Plan(dict(zip(form.inputs, inputs, strict=True)), **self.plan)
        vectors = Vectors(lower, upper, Implications(*arrays["implications"]), plan)
        return replace(self.premises, boxes=boxes), vectors


def save(
    path: str | Path, form: NormalForm, premises: Premises, provenance: Sequence[Provenance], known: Vectors
) -> Path:
    """Write bounds of a form and all that they rest on."""
    header = {
        "format": FORMAT,
        "facts": dict(premises.facts),
        "exact": premises.exact,
        "provenance": [asdict(p) for p in provenance],
        "plan": None if known.plan is None else {"cost": known.plan.cost, "violation": known.plan.violation},
    }
    boxes = dict(sorted(premises.boxes.items()))
    inputs = [] if known.plan is None else [known.plan.inputs[name] for name in form.inputs]
    with Path(path).open("wb") as file:
        np.savez(
            file,
            header=np.array(json.dumps(header, default=float)),
            lower=_flat(known.lower),
            upper=_flat(known.upper),
            boxed=np.array(list(boxes), dtype=np.intp),
            box_lower=_flat([low for low, _ in boxes.values()]),
            box_upper=_flat([high for _, high in boxes.values()]),
            plan=_flat(inputs),
            implications=np.stack([getattr(known.implications, f.name) for f in fields(Implications)]),
        )
    return Path(path)


def read(path: str | Path) -> Archive:
    """The content of a file; raises `InvalidProblem` where there is none, or it is damaged or none of ours."""
    if not Path(path).is_file():
        raise InvalidProblem(f"there is no file of bounds {path}; write one with compiled.all_bounds.save")
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header: dict[str, Any] = json.loads(arrays["header"].item())
        version = header["format"]
        if version == FORMAT:
            premises = Premises(dict(header["facts"]), {}, bool(header["exact"]))
            provenance = tuple(Provenance(**p) for p in header["provenance"])
    except DAMAGE as error:
        raise InvalidProblem(f"{path} is not a file of bounds saved by relu2mip, or is damaged: {error}") from error
    if version != FORMAT:
        raise InvalidProblem(f"{path} has format {version}; this relu2mip reads {FORMAT}: compute the bounds again")
    return Archive(Path(path), arrays, header.get("plan"), premises, provenance)


def _flat(vectors: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0), *vectors])


def _split(flat: Array, sizes: Sequence[int]) -> tuple[Array, ...]:
    if flat.shape != (sum(sizes),):
        raise ValueError(f"an array of shape {flat.shape} where {sum(sizes)} numbers belong")
    return tuple(np.split(flat, np.cumsum(sizes)[:-1])) if sizes else ()
