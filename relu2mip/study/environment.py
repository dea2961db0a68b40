"""What a trial ran on: versions of relu2mip and of every solver, and the machine."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("numpy", "scipy", "onnx", "onnxruntime", "highspy", "gurobipy", "cvxpy", "clarabel", "scs", "osqp", "torch"),
    *("omlt", "pyomo", "gurobi-machinelearning", "pyscipopt", "pyscipopt-ml", "scikit-learn"),
)
"""Those whose version may matter."""


@cache
def environment() -> dict[str, Any]:
    """Versions and machine of this process, as plain values.

    >>> sorted(environment())
    ['machine', 'versions']
    """
    return {"versions": versions(), "machine": machine()}


def versions() -> dict[str, str]:
    """Of relu2mip, Python, and whatever solvers are installed."""
    from relu2mip import __version__

    found = {"relu2mip": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def machine() -> dict[str, Any]:
    """Name, system, processor, how many of them this process may use, and memory in bytes."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "processors": usable,
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _processor() -> str:
    with suppress(OSError, IndexError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()
