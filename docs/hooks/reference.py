"""The package as it is installed, for what reads signatures from its files: a copy of each build's own.

The copy is made before mkdocstrings looks for its paths, which it does once and without a word when there are none.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

ROOT = Path(__file__).resolve().parents[2]
_copies: list[tempfile.TemporaryDirectory[str]] = []


@event_priority(100)
def on_config(config: Any) -> Any:
    """Make the copy anew, and have mkdocstrings read it."""
    on_shutdown()
    _copies.append(tempfile.TemporaryDirectory(prefix="relu2mip-reference-"))
    package = Path(_copies[0].name) / "relu2mip"
    for source, target in (("relu2mip", ""), ("frontends", "frontends"), ("backends", "backends")):
        shutil.copytree(ROOT / source, package / target, ignore=shutil.ignore_patterns("__pycache__"))
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(package.parent)]
    return config


def on_shutdown() -> None:
    """Drop the copy."""
    while _copies:
        _copies.pop().cleanup()
