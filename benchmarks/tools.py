"""Which tools of the comparison are installed, by name and version; all build from a `Problem` of this folder."""

from __future__ import annotations

from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import ours

from relu2mip.study.peers import TOOLS, versions_of

OURS = "relu2mip"
PEERS = list(TOOLS)
MODULES = [OURS, *PEERS]


def load(names: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The tools that are installed, with `build` and `solve`, and the reason for each that is not."""
    installed: dict[str, Any] = {}
    missing = {}
    for name in names:
        if name == OURS:
            installed[name] = ours
        elif absent := TOOLS[name].missing:
            missing[name] = f"{', '.join(absent)} not installed"
        else:
            installed[name] = _of_problem(TOOLS[name].load())
    return installed, missing


def _of_problem(adapter: Any) -> SimpleNamespace:
    return SimpleNamespace(build=lambda problem: adapter.build(problem.posed), solve=adapter.solve)


def announce(installed: dict[str, Any], missing: dict[str, str]) -> None:
    """Print every tool: its version, or why it takes no part."""
    for name in installed:
        print(f"{name:24}{version(OURS) if name == OURS else next(iter(versions_of(name).values()))}")
    for name, reason in missing.items():
        print(f"{name:24}not installed: {reason}")
    print()
