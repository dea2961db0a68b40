"""Affine expressions of named quantities, such as "key_0_x - pusher_x" or "2 * angle + 0.1".

An expression has names, numbers, brackets, sums, differences, products with numbers and quotients by numbers. A *point*
stands for its components: where `pusher_x` and `pusher_y` are names, "pusher" is both, and "key_0 - pusher" is the two
expressions "key_0_x - pusher_x" and "key_0_y - pusher_y".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from relu2mip.errors import InvalidOption, UnknownOption
from relu2mip.frontends.sparsify.affine import Doubles

NUMBER = re.compile(r"[\d.]+(e[+-]?\d+)?", re.IGNORECASE)
"""What is read as a number, even if a quantity has that name."""
PLACE = "_relu2mip_{}_"
"""What stands for a name by its number while Python's parser reads an expression; names may have any letters."""
AFFINE = "write sums and differences of names, and products with numbers"


@dataclass(frozen=True, eq=False)
class Expression:
    """One affine function of named quantities: weight (names,) times them, plus bias.

    text: as it was written, with a component in place of each point.  component: which, "" without points.
    """

    text: str
    component: str
    weight: Doubles
    bias: float


def expressions(text: str, names: Sequence[str], where: str) -> list[Expression]:
    """What a text says about the quantities: one expression, or one for each component of its points.

    where: what the text is, for errors.

    Raises `UnknownOption` for a name that does not exist and `InvalidOption` where the text is no affine expression,
    or has points with different components, or points beside single names.

        >>> for e in expressions("key - 2 * hand", ["key_x", "key_y", "hand_x", "hand_y"], "features"):
        ...     print(e.text, e.weight, e.bias)
        key_x - 2 * hand_x [ 1.  0. -2.  0.] 0.0
        key_y - 2 * hand_y [ 0.  1.  0. -2.] 0.0
    """
    points = components(names)
    known = [name for name in dict.fromkeys((*names, *points)) if not NUMBER.fullmatch(name)]
    pattern = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    found = re.compile(rf"(?<![\w.])(?:{pattern})(?![\w\[])")
    used = list(dict.fromkeys(found.findall(text)))
    several = [name for name in used if name not in names]
    suffixes = list(dict.fromkeys(points[point] for point in several))
    if len(suffixes) > 1:
        one, other = several[0], next(p for p in several if points[p] != suffixes[0])
        raise InvalidOption(
            f"{where}: {text!r}: {one} has the components {', '.join(points[one])} and {other} has "
            f"{', '.join(points[other])}; write one expression for each component"
        )
    if several and len(several) < len(used):
        single = next(name for name in used if name in names)
        raise InvalidOption(
            f"{where}: {text!r}: {several[0]} is a point and {single} is one quantity; write one expression for each "
            f"component, such as {several[0]}_{suffixes[0][0]}"
        )
    result = []
    for suffix in suffixes[0] if suffixes else ("",):
        ending = f"_{suffix}" if several else ""
        written = found.sub(rf"\g<0>{ending}", text)
        marked = found.sub(partial(_marked, names, ending), text)
        values = _Affine(written, names, where).value(_parsed(marked, written, where))
        result.append(Expression(written, suffix, values[:-1], float(values[-1])))
    return result


def _marked(names: Sequence[str], ending: str, match: re.Match[str]) -> str:
    """The place of a name in what is parsed."""
    return PLACE.format(names.index(match.group() + ending))


def components(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The points among names, with their components: {"pusher": ("x", "y")} of pusher_x and pusher_y."""
    found: dict[str, list[str]] = {}
    for name in names:
        point, _, suffix = name.rpartition("_")
        if point:
            found.setdefault(point, []).append(suffix)
    return {point: tuple(suffixes) for point, suffixes in found.items() if len(suffixes) > 1}


def named(given: Sequence[str], names: Sequence[str], where: str) -> list[int]:
    """The numbers of names, each point with all its components.

    Raises `UnknownOption` for a name that does not exist.
    """
    points = components(names)
    chosen: list[str] = []
    for name in given:
        if name not in names and name not in points:
            raise UnknownOption(f"name in {where}:", name, [*names, *points])
        chosen += [name] if name in names else [f"{name}_{suffix}" for suffix in points[name]]
    return [names.index(name) for name in dict.fromkeys(chosen)]


def _parsed(marked: str, written: str, where: str) -> ast.expr:
    try:
        return ast.parse(marked.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise InvalidOption(f"{where}: {written!r} cannot be read; {AFFINE}") from None


@dataclass(frozen=True)
class _Affine:
    """Evaluates an expression to (names + 1,) numbers: its weights and, at the end, its constant."""

    text: str
    names: Sequence[str]
    where: str

    def value(self, node: ast.expr) -> Doubles:
        result = np.zeros(len(self.names) + 1)
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and abs(number) < 1e300:
                result[-1] = number
            case ast.Name(id=name) if place := re.fullmatch(PLACE.format(r"(\d+)"), name):
                result[int(place.group(1))] = 1.0
            case ast.Name() | ast.Subscript():
                valid = [*self.names, *components(self.names)]
                raise UnknownOption(f"name in {self.where}:", ast.unparse(node), valid)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                result = -self.value(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                result = self.value(operand)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
                a, b = self.value(left), self.value(right)
                result = a + b if isinstance(op, ast.Add) else a - b
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
                result = self._product(self.value(left), self.value(right), isinstance(op, ast.Div))
            case _:
                raise self._not_affine("")
        return result

    def _product(self, a: Doubles, b: Doubles, divided: bool) -> Doubles:
        if divided:
            if b[:-1].any() or not b[-1]:
                raise self._not_affine(": it divides by a quantity" if b[:-1].any() else ": it divides by zero")
            return np.asarray(a / b[-1])
        if a[:-1].any() and b[:-1].any():
            raise self._not_affine(": it has a product of two quantities")
        return np.asarray(a * b[-1] if a[:-1].any() else b * a[-1])

    def _not_affine(self, why: str) -> InvalidOption:
        return InvalidOption(f"{self.where}: {self.text!r} is not affine{why}; {AFFINE}")
