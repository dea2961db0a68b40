"""Sets of a problem file, hard or at a price: [states], and the [[constraints]].

Constraints are linear ones, boxes at a price, obstacles, alternatives and trust regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from relu2mip.errors import InvalidProblem
from relu2mip.trajectory.choices import AnyOf, Ball, Outside, Polygon
from relu2mip.trajectory.costs import Soft
from relu2mip.trajectory.sets import Box, Linear
from relu2mip.trajectory.toml_values import LINEAR, Reader, box, list_of, number, numbers, pair, table, text, whole
from relu2mip.trajectory.trust import trust_region

Hard = TypeVar("Hard", Box, Linear)

KINDS = "outside", "any_of", "trust_region", "box"
"""Keys that say what kind of constraint a table is; without one it is linear."""

PRICE: Mapping[str, Reader] = {"soft": numbers, "norm": text}
CHOICE: Mapping[str, Reader] = {"name": text, "steps": list_of(whole), "between": whole, "formulation": text}
REGIONS: Mapping[str, Mapping[str, Reader]] = {
    "corners": {"corners": numbers},
    "centre": {"centre": numbers, "radius": number, "faces": whole},
}


def states(value: Any, where: str) -> Box | Soft:
    """The box of the states, hard or at a price."""
    given = table(value, where, {"lower": numbers, "upper": numbers, **PRICE}, ("lower", "upper"))
    return _priced(Box(given.pop("lower"), given.pop("upper")), given, where)


def constraint(folder: Path) -> Reader:
    """One constraint; paths are relative to `folder`."""

    def reader(value: Any, where: str) -> Linear | Soft | AnyOf | Outside:
        kinds = [kind for kind in KINDS if isinstance(value, dict) and kind in value]
        if len(kinds) > 1:
            raise InvalidProblem(f"{where} has {' and '.join(kinds)}; give one of them")
        match kinds:
            case ["outside"]:
                keypoints = pair("matrix", "offset")
                keys = {"outside": _region, "keypoints": keypoints, "path": numbers, "margin": number, **CHOICE}
                given = table(value, where, keys)
                return Outside(given.pop("outside"), **given)
            case ["any_of"]:
                given = table(value, where, {"any_of": list_of(_set), **CHOICE})
                return AnyOf(*given.pop("any_of"), **given)
            case ["trust_region"]:
                keys = {"trust_region": text, "quantile": number, "directions": text, "margin": number}
                given = table(value, where, {**keys, **PRICE})
                price = _taken(given)
                return _priced(trust_region(folder / given.pop("trust_region"), **given), price, where)
            case ["box"]:
                given = table(value, where, {"box": box, **PRICE})
                if "soft" not in given:
                    raise InvalidProblem(f"{where} has a box without soft; a box that always holds is the key states")
                return _priced(given.pop("box"), given, where)
        given = table(value, where, {**LINEAR, **PRICE})
        price = _taken(given)
        return _priced(Linear(**given), price, where)

    return reader


def _taken(given: dict[str, Any]) -> dict[str, Any]:
    return {key: given.pop(key) for key in PRICE if key in given}


def _priced(made: Hard, price: Mapping[str, Any], where: str) -> Hard | Soft:
    """The set, or where there is a price, the same at that price."""
    if "norm" in price and "soft" not in price:
        raise InvalidProblem(f"{where} has a norm without soft; give the weight as soft")
    return Soft(made, price["soft"], price.get("norm", "l1")) if price else made


def _region(value: Any, where: str) -> Box | Polygon | Ball:
    for needed, kind in ((("corners",), Polygon), (("centre", "radius"), Ball)):
        if isinstance(value, dict) and needed[0] in value:
            return kind(**table(value, where, REGIONS[needed[0]], needed))
    return box(value, where)


def _set(value: Any, where: str) -> Box | Linear:
    if isinstance(value, dict) and "state" in value:
        return Linear(**table(value, where, {key: LINEAR[key] for key in ("state", "lower", "upper")}))
    return box(value, where)
