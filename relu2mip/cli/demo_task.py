"""`relu2mip demo push`: a closed loop in the simulator of a contact task, with a model of few ReLUs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from relu2mip.cli.console import message, progress, show, show_json
from relu2mip.cli.files import check_output, complete
from relu2mip.errors import Relu2MipError

PACKAGES = {"gymnasium": "gymnasium", "pymunk": "pymunk", "PIL": "Pillow"}
"""Modules that the simulators need, and what their packages are called."""


def demo_task(task: str, examples: Path, backend: str, animation: Path | None, seed: int, json: bool) -> None:
    """Run an episode, write its pictures, and say how it ended. examples: the folder of a checkout."""
    path = Path(f"{task}.gif") if animation is None else animation
    check_output(path, (".gif",))
    shown = _module(examples).shown
    with progress(f"{task}: planning and simulating"):
        run, env = shown(task, seed, backend)
    with complete(path) as temporary:
        run.animate(temporary)
    costs = [float(env.task.cost(state)) for state in run.states]
    success = bool(env.task.success(run.states[-1]))
    if json:
        told = {"task": task, "seed": seed, "steps": len(run), "success": success, "distances": costs}
        show_json({**told, "plot": str(path)})
    else:
        ended = "success" if success else "no success"
        show(
            run.summary(), f"distance   {costs[0]:.1f} px at first, {costs[-1]:.1f} px after {len(run)} steps: {ended}"
        )
    message(f"wrote {path}")


def _module(examples: Path) -> ModuleType:
    """The script that runs the episodes; raises `Relu2MipError` where it or a simulator is missing."""
    if not (examples / "claims" / "show.py").is_file():
        raise Relu2MipError(
            f"there is no claims/show.py in {examples}; it comes with a checkout of relu2mip: name its folder of "
            "examples with --example examples"
        )
    missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        needed = " and ".join(missing)
        raise Relu2MipError(f'the task needs {needed}: install it with pip install "relu2mip[envs,plot]"')
    sys.path.insert(0, str(examples))
    try:
        return importlib.import_module("claims.show")
    finally:
        sys.path.remove(str(examples))
