"""Bounds in a file: `Bounds.save`, `Bounds.load`, and the bound method that reads them.

The file is an .npz of plain arrays, and a header in JSON with what the bounds rest on (`unrolled.premises`), the
version of relu2mip among it, and where they came from. Nothing of a file is used before all of that was compared with
the problem.

Source: bounds over a set hold over every subset, Moore, "Interval Analysis" (1966).
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.normal_form import NormalForm
from relu2mip.options import settle
from relu2mip.unrolled.bounds import Bounds, Provenance
from relu2mip.unrolled.implications import Implications
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.premises import Premises
from relu2mip.unrolled.unrolled import Unrolled

FORMAT = 1
DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading a file that is no file of ours may raise."""


@dataclass(frozen=True)
class File:
    """Bounds saved before, for the same network and sets, and an initial state inside theirs.

    path: the file that `Bounds.save` wrote. Where anything differs, `InvalidProblem` says what.
    """

    path: str = ""
    name: ClassVar[str] = "file"
    sound: ClassVar[bool] = True

    def __post_init__(self) -> None:
        settle(self)
        if not self.path:
            raise InvalidOption('file bounds need the path of the file, as in "file(path=bounds.npz)"')

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
        """Intersect with the bounds of the file. What they came from joins the provenance, unsound methods marked."""
        known = load(self.path, unrolled)
        tighter = known.tighten(unrolled, bounds)
        origin = Provenance(str(known), known.sound, cutoff=known.cutoff)
        return replace(tighter, provenance=(*bounds.provenance, origin))

    def __str__(self) -> str:
        return f"file(path={self.path})"


def save(bounds: Bounds, path: str | Path) -> Path:
    """Write bounds and all that they rest on; raises `InvalidProblem` for bounds of a form that was rewritten."""
    if bounds.premises is None:
        raise InvalidProblem(
            "these bounds are those of a form that was rewritten or made by hand, and belong to no problem; "
            "save compiled.all_bounds"
        )
    premises, plan = bounds.premises, bounds.plan if bounds.premises.exact else None
    header = {
        "format": FORMAT,
        "facts": dict(premises.facts),
        "exact": premises.exact,
        "provenance": [asdict(p) for p in bounds.provenance],
        "plan": None if plan is None else {"cost": plan.cost, "violation": plan.violation},
    }
    boxes = dict(sorted(premises.boxes.items()))
    inputs = [] if plan is None else [plan.inputs[name] for name in bounds.form.inputs]
    with Path(path).open("wb") as file:
        np.savez(
            file,
            header=np.array(json.dumps(header, default=float)),
            lower=_flat(bounds.lower),
            upper=_flat(bounds.upper),
            boxed=np.array(list(boxes), dtype=np.intp),
            box_lower=_flat([low for low, _ in boxes.values()]),
            box_upper=_flat([high for _, high in boxes.values()]),
            plan=_flat(inputs),
            implications=np.stack([getattr(bounds.implications, f.name) for f in fields(Implications)]),
        )
    return Path(path)


def load(path: str | Path, unrolled: Unrolled) -> Bounds:
    """The bounds of a file, which hold for this problem.

    Raises `InvalidProblem` where there is no such file, it is damaged or none of ours, or its bounds do not hold here.
    """
    if not Path(path).is_file():
        raise InvalidProblem(f"there is no file of bounds {path}; write one with compiled.all_bounds.save")
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].item())
        version = header["format"]
        if version == FORMAT:
            premises = Premises(dict(header["facts"]), {}, bool(header["exact"]))
            provenance = tuple(Provenance(**p) for p in header["provenance"])
    except DAMAGE as error:
        raise InvalidProblem(f"{path} is not a file of bounds saved by relu2mip, or is damaged: {error}") from error
    if version != FORMAT:
        raise InvalidProblem(f"{path} has format {version}; this relu2mip reads {FORMAT}: compute the bounds again")
    ours = Premises.of(unrolled, premises.exact)
    if reason := "a form made by hand" if ours is None else premises.differing(ours.facts):
        raise InvalidProblem(f"{path} holds bounds of another problem ({reason}); compute bounds for this one")
    try:
        bounds = _restored(unrolled.form, arrays, header, premises, provenance)
    except DAMAGE as error:
        raise InvalidProblem(f"{path} is damaged ({error}); compute the bounds again") from error
    if reason := bounds.why_not(unrolled):
        raise InvalidProblem(f"{path}: {reason}")
    return bounds


def _restored(
    form: NormalForm,
    arrays: Mapping[str, Array],
    header: Mapping[str, Any],
    premises: Premises,
    provenance: tuple[Provenance, ...],
) -> Bounds:
    """Bounds from the arrays of a file whose facts are those of this form."""
    sizes = [value.size for value in form.values]
    lower, upper = _split(arrays["lower"], sizes), _split(arrays["upper"], sizes)
    if not all((low <= high).all() for low, high in zip(lower, upper, strict=True)):
        raise ValueError("lower bounds above upper ones, or no numbers")
    boxed = arrays["boxed"].tolist()
    sides = [_split(arrays[name], [sizes[i] for i in boxed]) for name in ("box_lower", "box_upper")]
    boxes = dict(zip(boxed, zip(*sides, strict=True), strict=True))
    plan = None
    if header["plan"] is not None:
        inputs = _split(arrays["plan"], [sizes[i] for i in form.inputs.values()])
        plan = Plan(dict(zip(form.inputs, inputs, strict=True)), **header["plan"])
    return Bounds(
        form,
        lower,
        upper,
        provenance,
        plan=plan,
        implications=Implications(*arrays["implications"]),
        premises=replace(premises, boxes=boxes),
    )


def _flat(vectors: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0), *vectors])


def _split(flat: Array, sizes: Sequence[int]) -> tuple[Array, ...]:
    if flat.shape != (sum(sizes),):
        raise ValueError(f"an array of shape {flat.shape} where {sum(sizes)} numbers belong")
    return tuple(np.split(flat, np.cumsum(sizes)[:-1])) if sizes else ()
