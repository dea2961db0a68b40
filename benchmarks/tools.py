"""Which tools of the comparison are installed, by name and version."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from types import ModuleType

OURS = "relu2mip"
MODULES = {
    OURS: "ours",
    "omlt": "peers.omlt",
    "omlt, partition": "peers.omlt_partition",
    "gurobi-machinelearning": "peers.gurobi_ml",
    "pyscipopt-ml": "peers.pyscipopt_ml",
}
PEERS = [name for name in MODULES if name != OURS]


def load(names: list[str]) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The tools that import, and the reason for each that does not."""
    installed, missing = {}, {}
    for name in names:
        try:
            installed[name] = importlib.import_module(MODULES[name])
        except ImportError as error:
            missing[name] = str(error)
    return installed, missing


def announce(installed: dict[str, ModuleType], missing: dict[str, str]) -> None:
    """Print every tool: its version, or why it takes no part."""
    for name in installed:
        print(f"{name:24}{version(name.partition(',')[0])}")
    for name, reason in missing.items():
        print(f"{name:24}not installed: {reason}")
    print()
