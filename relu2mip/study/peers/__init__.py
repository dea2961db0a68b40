"""Other tools on the same problems, as arms of a study: the tool's own model and bounds, its usual solver.

An adapter is a module with `build(problem) -> native model` and `solve(model, time_limit, gap, seed, threads) ->
Outcome`, for a `PeerProblem`. It raises `CapabilityMissing` for what its tool or solver does not take, and
`BackendUnavailable` where a licence is too small. Versions that work together: `pip install "relu2mip[bench]"`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

from relu2mip.errors import BackendUnavailable, UnknownOption


@dataclass(frozen=True)
class Tool:
    """A tool.

    adapter: its module here.  packages: that must be installed, by the name that pip has for each module.
    """

    adapter: str
    packages: Mapping[str, str]

    @property
    def missing(self) -> list[str]:
        """What is not installed."""
        return [name for module, name in self.packages.items() if find_spec(module) is None]

    def load(self) -> ModuleType:
        """The adapter."""
        return importlib.import_module(f"{__name__}.{self.adapter}")


_OMLT = {"omlt": "omlt", "pyomo": "pyomo", "highspy": "highspy"}
TOOLS: Mapping[str, Tool] = {
    "omlt": Tool("omlt", _OMLT),
    "omlt-partition": Tool("omlt_partition", _OMLT),
    "gurobi-machinelearning": Tool(
        "gurobi_machinelearning", {"gurobi_ml": "gurobi-machinelearning", "gurobipy": "gurobipy"}
    ),
    "pyscipopt-ml": Tool(
        "pyscipopt_ml", {"pyscipopt_ml": "pyscipopt-ml", "pyscipopt": "pyscipopt", "sklearn": "scikit-learn"}
    ),
}


def require_tool(name: str) -> Tool:
    """The tool of a name; raises `UnknownOption`, and `BackendUnavailable` where it is not installed."""
    if name not in TOOLS:
        raise UnknownOption("tool", name, TOOLS)
    if missing := TOOLS[name].missing:
        raise BackendUnavailable(f'tool {name!r}: {", ".join(missing)} not installed: pip install "relu2mip[bench]"')
    return TOOLS[name]


def versions_of(name: str) -> dict[str, str]:
    """The versions of a tool and of what it runs on."""
    return {package: version(package) for package in require_tool(name).packages.values()}
