"""LP and MPS files with readable names, and a JSON map beside them.

Written here and not by a solver, so that the files are the same for every installation and version. Both formats hold
a quadratic cost, SOS1 sets, indicator rows, maxima and complementary pairs (as products that are zero). Gurobi reads
all of that; HiGHS reads the quadratic cost (and solves it without integers), and refuses files with any of the others.

Names are those of the model. Characters that LP readers stumble over are replaced, brackets by parentheses:
`t03.layer2.relu[17].a` stands in an LP file as `t03.layer2.relu(17).a`. The map has both spellings where they differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.errors import InvalidOption
from relu2mip.mip.model import MipModel

LONGEST = 240
"""Characters of a name that every reader takes (255), less room for what makes it distinct."""

OFFSET = "objective.offset"
"""An LP file has no constants: the offset is the cost of a column that is fixed to 1."""


def write(model: MipModel, path: str | Path, known: Mapping[str, Any] | None = None) -> Path:
    """Write `path`, which ends in .lp or .mps, and `path` + ".map.json"; returns the path of the map.

    The map holds: `sense` (always "minimise"; a problem that maximises was negated), `offset` (already in the file),
    `values` (named vector -> names of its columns in the file), `names` (name in the file -> name in the model, where
    they differ), and what else is `known`. A range is two rows, the second named `<row>.range`. Raises `InvalidOption`
    for another ending.

    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from relu2mip.mip import ModelBuilder, NameBlock
    >>> model = ModelBuilder()
    >>> x = model.add_columns(NameBlock("x", np.arange(2)), 0.0, [1.0, np.inf])
    >>> _ = model.add_rows(NameBlock("sum", np.arange(1)), [(np.ones((1, 2)), x)], lower=1.5)
    >>> model.minimise([(np.array([1.0, 2.0]), x)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write(model.build(), f"{folder}/small.lp")
    ...     print(Path(folder, "small.lp").read_text(), end="")
    Minimize
     objective: + 1 x(0) + 2 x(1)
    Subject To
     sum(0): + 1 x(0) + 1 x(1) >= 1.5
    Bounds
     0 <= x(0) <= 1
    End
    """
    path = Path(path)
    formats = {".lp": (_lp, _LP_FORBIDDEN), ".mps": (_mps, _MPS_FORBIDDEN)}
    if path.suffix not in formats:
        raise InvalidOption(f"{path.name}: name the file .lp or .mps")
    lines, forbidden = formats[path.suffix]
    names = _FileNames(model, forbidden)
    text = "\n".join(lines(model, names)) + "\n"
    described = {
        "sense": "minimise",
        "offset": model.offset,
        "values": {k: [names.columns[i] for i in v.tolist()] for k, v in (model.values or {}).items()},
        "names": names.changed,
        **(known or {}),
    }
    path.write_text(text)
    beside = path.with_name(path.name + ".map.json")
    beside.write_text(json.dumps(described, indent=1) + "\n")
    return beside


_LP_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.(){}#!%&?@~|;,'\"]")
_MPS_FORBIDDEN = re.compile(r"\s")
_BEGINS_BADLY = re.compile(r"[^A-Za-z_]|[eE][0-9]|(?i:inf|nan)")
"""A number, a comment, an exponent or an infinity to some reader."""
_KEYWORDS = re.compile(
    r"inf(inity)?|free|st|s\.t\.|such|subject|bounds?|end|gen(erals?)?|int(egers?)?|bin(ary|aries)?|min(imum|imi[sz]e)?"
    r"|max(imum|imi[sz]e)?|semis?|sin|sec|sos[12]?|rhs|obj",
    re.IGNORECASE,
)


class _FileNames:
    """Every name of a model as one format takes it, distinct among columns and among rows."""

    def __init__(self, model: MipModel, forbidden: re.Pattern[str]) -> None:
        self.changed: dict[str, str] = {}
        self._forbidden = forbidden
        rows = {"objective"}
        self.columns = self._spelled(model.column_names, {OFFSET})
        self.rows = self._spelled(model.row_names, rows)
        self.indicators = self._spelled(model.indicators.names if model.indicators else (), rows)
        self.sos1 = self._spelled(model.sos1.names if model.sos1 else (), rows)
        self.maxima = self._spelled(model.maxima.operands.names if model.maxima else (), rows)
        self.pairs = self._spelled(model.pairs.names if model.pairs else (), rows)

    def _spelled(self, names: Sequence[str], taken: set[str]) -> list[str]:
        spelled = []
        for name in names:
            if self._forbidden.search(name):
                plain = self._forbidden.sub("_", name.replace("[", "(").replace("]", ")"))
            else:
                plain = name
            if _BEGINS_BADLY.match(plain) or _KEYWORDS.fullmatch(plain):
                plain = "_" + plain
            plain = distinct = plain[:LONGEST]
            count = 1
            while distinct in taken:
                count += 1
                distinct = f"{plain}_{count}"
            taken.add(distinct)
            spelled.append(distinct)
            if distinct != name:
                self.changed[distinct] = name
        return spelled


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows with one sense each, in the order of the model; a range is two rows. `switch`: where the row holds."""

    matrix: Any
    names: list[str]
    sense: list[str]
    right: Array
    switch: list[tuple[int, bool] | None]

    @classmethod
    def of(cls, model: MipModel, names: _FileNames) -> _Rows:
        linear: list[tuple[int, bool] | None] = [None] * model.rows
        parts = [cls._split(model.matrix, names.rows, model.row_lower, model.row_upper, linear)]
        if (held := model.indicators) is not None:
            switch = list(zip(held.binary.tolist(), held.active.tolist(), strict=True))
            parts.append(cls._split(held.matrix, names.indicators, held.lower, held.upper, switch))
        return cls(
            sp.vstack([part.matrix for part in parts], format="csr"),
            [name for part in parts for name in part.names],
            [sense for part in parts for sense in part.sense],
            np.concatenate([part.right for part in parts]),
            [switch for part in parts for switch in part.switch],
        )

    @classmethod
    def _split(
        cls, matrix: Any, names: list[str], lower: Array, upper: Array, switch: Sequence[tuple[int, bool] | None]
    ) -> _Rows:
        equal = lower == upper
        sides = {"=": equal, ">=": np.isfinite(lower) & ~equal, "<=": np.isfinite(upper) & ~equal}
        split = sorted((row, sense) for sense, mask in sides.items() for row in np.flatnonzero(mask).tolist())
        rows, sense = [row for row, _ in split], [sense for _, sense in split]
        second = [k > 0 and rows[k - 1] == row for k, row in enumerate(rows)]
        spelled = [names[row] + (".range" if is_second else "") for row, is_second in zip(rows, second, strict=True)]
        right = np.array([upper[row] if side == "<=" else lower[row] for row, side in split])
        return cls(matrix[rows], spelled, sense, right, [switch[row] for row in rows])


def _lp(model: MipModel, names: _FileNames) -> Iterator[str]:
    columns, rows = names.columns, _Rows.of(model, names)
    yield "Minimize"
    yield from _wrapped(_objective(model, columns))
    yield "Subject To"
    for k, name in enumerate(rows.names):
        begin, end = rows.matrix.indptr[k : k + 2]
        terms = _terms(rows.matrix.data[begin:end], rows.matrix.indices[begin:end], columns)
        switch = rows.switch[k]
        when = [] if switch is None else [f"{columns[switch[0]]} = {int(switch[1])} ->"]
        yield from _wrapped([f"{name}:", *when, *terms, f"{rows.sense[k]} {_number(rows.right[k])}"])
    for name, first, second in _pairs(model, names):
        yield from _wrapped([f"{name}:", f"[ {first} * {second} ] = 0"])
    yield "Bounds"
    binary = model.integer & (model.lower == 0) & (model.upper == 1)
    for k in np.flatnonzero(~binary).tolist():
        if text := _lp_bounds(columns[k], model.lower[k], model.upper[k]):
            yield f" {text}"
    if model.offset:
        yield f" {OFFSET} = 1"
    for title, mask in (("Binaries", binary), ("Generals", model.integer & ~binary)):
        if mask.any():
            yield title
            yield from _wrapped([columns[k] for k in np.flatnonzero(mask).tolist()])
    if model.sos1 is not None:
        yield "SOS"
        for name, members in _sets(model, names):
            yield from _wrapped([f"{name}: S1::", *(f"{columns[m]}:{k}" for k, m in enumerate(members, 1))])
    if model.maxima is not None:
        yield "General Constraints"
        for name, result, operands in _maxima(model, names):
            yield from _wrapped([f"{name}: {result} = MAX (", " , ".join(operands), ")"])
    yield "End"


def _objective(model: MipModel, columns: list[str]) -> list[str]:
    used = np.flatnonzero(model.cost)
    words = ["objective:", *_terms(model.cost[used], used, columns)[: None if used.size or not model.offset else 0]]
    if model.offset:
        words.append(f"{_signed(model.offset)} {OFFSET}")
    if model.quadratic is not None and model.quadratic.any():
        squared = np.flatnonzero(model.quadratic).tolist()
        words += ["+ [", *(f"{_signed(2 * model.quadratic[k])} {columns[k]} ^2" for k in squared), "] / 2"]
    return words


def _terms(values: Array, index: Index, columns: list[str]) -> list[str]:
    """The words of a linear expression; LP has no empty one."""
    terms = [f"{_signed(v)} {columns[k]}" for v, k in zip(values.tolist(), index.tolist(), strict=True)]
    return terms or [f"+ 0 {columns[0]}"]


def _lp_bounds(name: str, lower: float, upper: float) -> str:
    """Bounds as LP says them; nothing for the default, [0, inf]."""
    if lower == upper:
        return f"{name} = {_number(lower)}"
    if upper == np.inf:
        return "" if lower == 0 else f"{name} free" if lower == -np.inf else f"{name} >= {_number(lower)}"
    return f"{_number(lower)} <= {name} <= {_number(upper)}"


def _mps(model: MipModel, names: _FileNames) -> Iterator[str]:
    """Free MPS."""
    columns, rows = names.columns, _Rows.of(model, names)
    yield "NAME relu2mip"
    yield "ROWS"
    yield " N objective"
    for name, sense in zip(rows.names, rows.sense, strict=True):
        yield f" {'E' if sense == '=' else sense.replace('=', '').translate(_MPS_SENSE)} {name}"
    yield from (f" E {name}" for name, _, _ in _pairs(model, names))
    yield "COLUMNS"
    yield from _mps_entries(model, columns, rows)
    yield "RHS"
    if model.offset:
        yield f" RHS objective {_number(-model.offset)}"
    for name, value in zip(rows.names, rows.right.tolist(), strict=True):
        if value:
            yield f" RHS {name} {_number(value)}"
    yield "BOUNDS"
    for name, lower, upper in zip(columns, model.lower.tolist(), model.upper.tolist(), strict=True):
        yield from (f" {bound}" for bound in _mps_bounds(name, lower, upper))
    yield from _mps_extensions(model, names, rows)
    yield "ENDATA"


def _mps_entries(model: MipModel, columns: Sequence[str], rows: _Rows) -> Iterator[str]:
    """The entries, column by column, with markers around integral ones."""
    by_column = rows.matrix.tocsc()
    switches = set(np.flatnonzero(np.diff(np.concatenate([[False], model.integer, [False]]))).tolist())
    for k, name in enumerate(columns):
        if k in switches:
            yield f" M{k} 'MARKER' '{'INTORG' if model.integer[k] else 'INTEND'}'"
        yield f" {name} objective {_number(model.cost[k])}"
        begin, end = by_column.indptr[k : k + 2]
        for row, value in zip(by_column.indices[begin:end].tolist(), by_column.data[begin:end].tolist(), strict=True):
            yield f" {name} {rows.names[row]} {_number(value)}"
    if model.columns in switches:
        yield f" M{model.columns} 'MARKER' 'INTEND'"


def _mps_extensions(model: MipModel, names: _FileNames, rows: _Rows) -> Iterator[str]:
    """The sections that not every reader knows: SOS1 sets, squares, complementary pairs, indicators and maxima."""
    columns = names.columns
    if model.sos1 is not None:
        yield "SOS"
        for name, members in _sets(model, names):
            yield f" S1 {name}"
            yield from (f" {columns[m]} {k}" for k, m in enumerate(members, 1))
    if model.quadratic is not None and model.quadratic.any():
        yield "QUADOBJ"
        for k in np.flatnonzero(model.quadratic).tolist():
            yield f" {columns[k]} {columns[k]} {_number(2 * model.quadratic[k])}"
    for name, first, second in _pairs(model, names):
        yield f"QCMATRIX {name}"
        yield from (f" {first} {second} 0.5", f" {second} {first} 0.5")
    if model.indicators is not None:
        yield "INDICATORS"
        for name, switch in zip(rows.names, rows.switch, strict=True):
            if switch is not None:
                yield f" IF {name} {columns[switch[0]]} {int(switch[1])}"
    if model.maxima is not None:
        yield "GENCONS"
        for name, result, operands in _maxima(model, names):
            yield f" MAX {name}"
            yield from (f" {operand}" for operand in (result, *operands))


_MPS_SENSE = str.maketrans("<>", "LG")


def _mps_bounds(name: str, lower: float, upper: float) -> Iterator[str]:
    """Bounds of a column, all spelled out: readers differ in the defaults of integral ones."""
    if lower == upper:
        yield f"FX BND {name} {_number(lower)}"
    elif lower == -np.inf and upper == np.inf:
        yield f"FR BND {name}"
    else:
        yield f"MI BND {name}" if lower == -np.inf else f"LO BND {name} {_number(lower)}"
        yield f"PL BND {name}" if upper == np.inf else f"UP BND {name} {_number(upper)}"


def _sets(model: MipModel, names: _FileNames) -> Iterator[tuple[str, list[int]]]:
    assert model.sos1 is not None
    ends = model.sos1.starts.tolist()
    for name, begin, end in zip(names.sos1, ends[:-1], ends[1:], strict=True):
        yield name, model.sos1.members[begin:end].tolist()


def _maxima(model: MipModel, names: _FileNames) -> Iterator[tuple[str, str, list[str]]]:
    """Name, result, and operands of every maximum, the constant last."""
    assert model.maxima is not None
    columns, ends = names.columns, model.maxima.operands.starts.tolist()
    for k, name in enumerate(names.maxima):
        operands = [columns[m] for m in model.maxima.operands.members[ends[k] : ends[k + 1]].tolist()]
        constant = float(model.maxima.constant[k])
        if constant > -np.inf:
            operands.append(_number(constant))
        yield name, columns[model.maxima.result[k]], operands


def _pairs(model: MipModel, names: _FileNames) -> Iterator[tuple[str, str, str]]:
    """Name and both columns of every complementary pair."""
    if model.pairs is not None:
        for name, a, b in zip(names.pairs, model.pairs.first.tolist(), model.pairs.second.tolist(), strict=True):
            yield name, names.columns[a], names.columns[b]


def _number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return "-inf" if value == -np.inf else repr(float(value) + 0.0).removesuffix(".0")  # + 0.0: no -0


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {_number(abs(value))}"


def _wrapped(words: Iterable[str], width: int = 110) -> Iterator[str]:
    """Words in lines; readers take about 500 characters a line."""
    line = ""
    for word in words:
        if line and len(line) + len(word) >= width:
            yield line
            line = "  "
        line += " " + word
    if line:
        yield line
