"""The package as it is installed, for what reads signatures from its files: a copy in build/reference.

One build of the site at a time has the copy, so that builds side by side do not take it from one another.
"""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "reference"
_held: list[TextIO] = []


def on_config(config: Any) -> Any:
    """Wait for another build to end, and make the copy anew."""
    FOLDER.parent.mkdir(exist_ok=True)
    lock = (FOLDER.parent / "reference.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _held.append(lock)
    shutil.rmtree(FOLDER, ignore_errors=True)
    package = FOLDER / "relu2mip"
    for source, target in (("relu2mip", ""), ("frontends", "frontends"), ("backends", "backends")):
        shutil.copytree(ROOT / source, package / target, ignore=shutil.ignore_patterns("__pycache__"))
    return config


def on_post_build(**_: Any) -> None:
    """Let the next build go on."""
    while _held:
        _held.pop().close()
