"""The package as it is installed, for what reads signatures from its files: a copy in build/reference."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "reference"


def on_config(config: Any) -> Any:
    """Make the copy anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    package = FOLDER / "relu2mip"
    for source, target in (("relu2mip", ""), ("frontends", "frontends"), ("backends", "backends")):
        shutil.copytree(ROOT / source, package / target, ignore=shutil.ignore_patterns("__pycache__"))
    return config
