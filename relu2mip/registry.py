"""The families of interchangeable parts (bound methods, formulations, backends), each a registry of dataclasses.

Built-in parts are one line each, `"name": "module:Class"`, imported when first used; other packages add theirs through
the entry point group `relu2mip.<family>`. A name given twice is an error.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from relu2mip.errors import Relu2MipError, UnknownOption


class Registry(Mapping[str, type[Any]]):
    """Parts of one family by name; a part is imported only when it is looked up."""

    def __init__(self, family: str, builtin: Mapping[str, str]) -> None:
        self.family = family
        self._where = dict(builtin)
        self._loaded: dict[str, type[Any]] = {}
        self._complete = False

    def register(self, name: str, part: str | type[Any]) -> None:
        """Add a part, as a class or as "module:Class"; refuses a name that is taken."""
        if name in self._where:
            raise Relu2MipError(
                f"{self.family}: {name!r} is already registered ({self._where[name]}); choose another name"
            )
        if isinstance(part, str):
            self._where[name] = part
        else:
            self._where[name] = f"{part.__module__}:{part.__qualname__}"
            self._loaded[name] = part

    def __getitem__(self, name: str) -> type[Any]:
        self._discover()
        if name not in self._where:
            raise UnknownOption(self.family, name, self._where)
        if name not in self._loaded:
            module, _, attribute = self._where[name].partition(":")
            self._loaded[name] = getattr(importlib.import_module(module), attribute)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._where

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(self._where)

    def __len__(self) -> int:
        self._discover()
        return len(self._where)

    def _discover(self) -> None:
        if self._complete:
            return
        self._complete = True
        group = "relu2mip." + self.family.replace(" ", "_")
        for entry in entry_points(group=group):
            if self._where.get(entry.name) != entry.value:
                self.register(entry.name, entry.value)


bound_methods: Registry = Registry(
    "bounds",
    {
        "ibp": "relu2mip.bounds.ibp:Ibp",
        "crown": "relu2mip.bounds.crown:Crown",
        "alpha-crown": "relu2mip.bounds.alpha_crown:AlphaCrown",
        "lp": "relu2mip.bounds.lp:Lp",
        "mip": "relu2mip.bounds.mip:Mip",
        "auto": "relu2mip.bounds.auto:Auto",
        "split": "relu2mip.bounds.split:Split",
        "cutoff": "relu2mip.bounds.cutoff:Cutoff",
        "data": "relu2mip.bounds.data:Data",
        "file": "relu2mip.bounds.file:File",
        "structure": "relu2mip.bounds.structure:Structure",
        "blocks": "relu2mip.bounds.blocks:Blocks",
    },
)
formulations: Registry = Registry(
    "formulations",
    {
        "big-m": "relu2mip.formulations.big_m:BigM",
        "triangle": "relu2mip.formulations.triangle:Triangle",
        "sos1": "relu2mip.formulations.sos1:Sos1",
        "indicator": "relu2mip.formulations.indicator:Indicator",
        "max-constraint": "relu2mip.formulations.max_constraint:MaxConstraint",
        "complementarity": "relu2mip.formulations.complementarity:Complementarity",
        "ideal": "relu2mip.formulations.ideal:Ideal",
        "convex-hull": "relu2mip.formulations.convex_hull:ConvexHull",
        "partition": "relu2mip.formulations.partition:Partition",
        "regions": "relu2mip.formulations.regions:Regions",
        "policy": "relu2mip.formulations.policy:Policy",
    },
)
planners: Registry = Registry(
    "planners",
    {
        "hybrid": "relu2mip.control.hybrid:Hybrid",
        "mip": "relu2mip.control.mip:Mip",
        "mppi": "relu2mip.control.mppi:Mppi",
        "cem": "relu2mip.control.cem:Cem",
        "gradient": "relu2mip.control.gradient:Gradient",
    },
)
searches: Registry = Registry("searches", {"cells": "relu2mip.search.cells:Cells"})
backends: Registry = Registry(
    "backends",
    {
        "highs": "relu2mip.backends.highs:HighsBackend",
        "gurobi": "relu2mip.backends.gurobi:GurobiBackend",
        "cvxpy": "relu2mip.backends.cvxpy:CvxpyBackend",
    },
)
