"""The [[constraints]] of a problem file: linear ones, obstacles, alternatives and trust regions, hard or at a price."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relu2mip.errors import InvalidProblem
from relu2mip.trajectory.choices import AnyOf, Ball, Outside, Polygon
from relu2mip.trajectory.costs import Soft
from relu2mip.trajectory.sets import Box, Linear
from relu2mip.trajectory.toml_values import LINEAR, Reader, box, list_of, number, numbers, pair, table, text, whole
from relu2mip.trajectory.trust import trust_region

PRICE: Mapping[str, Reader] = {"soft": numbers, "norm": text}
CHOICE: Mapping[str, Reader] = {"name": text, "steps": list_of(whole), "between": whole, "formulation": text}
REGIONS: Mapping[str, Mapping[str, Reader]] = {
    "corners": {"corners": numbers},
    "centre": {"centre": numbers, "radius": number, "faces": whole},
}


def constraint(folder: Path) -> Reader:
    """One constraint; paths are relative to `folder`."""

    def reader(value: Any, where: str) -> Linear | Soft | AnyOf | Outside:
        kinds = [kind for kind in ("outside", "any_of", "trust_region") if isinstance(value, dict) and kind in value]
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
                price = {key: given.pop(key) for key in PRICE if key in given}
                return _priced(trust_region(folder / given.pop("trust_region"), **given), price, where)
        given = table(value, where, {**LINEAR, **PRICE})
        price = {key: given.pop(key) for key in PRICE if key in given}
        return _priced(Linear(**given), price, where)

    return reader


def _priced(made: Linear, price: Mapping[str, Any], where: str) -> Linear | Soft:
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
