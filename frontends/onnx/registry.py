"""Which function converts which ONNX operator, keyed by the operator-set version its form came with.

A converter registered `since` a version serves every later one until the next converter of the same operator.
What a later version adds (an attribute, an input) is refused where a file uses it: a converter must read all
that its call gives (`Call.check_read`).

Other packages add converters with the entry point group `relu2mip.onnx`, each entry a module that registers some.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TypeAlias

from relu2mip.errors import Relu2MipError
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.values import Tensor

Function: TypeAlias = Callable[[Call], Tensor | Sequence[Tensor | None]]


@dataclass(frozen=True)
class Converter:
    """One registered function; `on_constants`: it is also called where every input is constant."""

    op: str
    since: int
    function: Function
    on_constants: bool = False


_table: dict[str, dict[int, Converter]] = {}


def converter(op: str, since: int, *, on_constants: bool = False) -> Callable[[Function], Function]:
    """Register a function as the converter of an operator from a version on; the same one twice is an error.

    Calls whose inputs are all constant are folded without a converter, unless `on_constants` is set.
    """

    def register(function: Function) -> Function:
        versions = _table.setdefault(op, {})
        if since in versions:
            raise Relu2MipError(f"operator {op!r} has a converter since version {since} already; register it once")
        versions[since] = Converter(op, since, function, on_constants)
        return function

    return register


@functools.cache
def _discover() -> None:
    """Import every module of converters: ours, and those that other packages name as entry points."""
    importlib.import_module("relu2mip.frontends.onnx.ops")
    for entry in entry_points(group="relu2mip.onnx"):
        entry.load()


def find(op: str, opset: int) -> Converter | None:
    """The newest converter of an operator that is not newer than the operator set of the file."""
    _discover()
    versions = [since for since in _table.get(op, {}) if since <= opset]
    return _table[op][max(versions)] if versions else None


def supported_ops() -> list[tuple[str, tuple[int, ...]]]:
    """Every accepted operator with the versions at which its form changed."""
    _discover()
    return sorted((op, tuple(sorted(versions))) for op, versions in _table.items())
