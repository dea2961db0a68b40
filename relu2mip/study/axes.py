"""The arms of a study: the product of its axes, each value the specification string of everywhere else, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

from relu2mip.accept import accept, mapping, names, several, shown, whole
from relu2mip.backends.protocol import require_available
from relu2mip.control.planner import planner as resolve_planner
from relu2mip.errors import BackendUnavailable, InvalidOption
from relu2mip.options import SolveOptions, build
from relu2mip.pipeline.specs import resolve_backend, resolve_bounds, resolve_formulation
from relu2mip.study.peers import require_tool
from relu2mip.study.statement import digest_of_file
from relu2mip.study.trial import Arm

OWN_AXES = frozenset({"time_limit", "seed", "threads", "log"})
"""Fields of `SolveOptions` that are no options of an arm."""


@dataclass(frozen=True)
class Axes:
    """The axes.

    bounds × formulation × backend × options is one group of arms; each planner, and each other tool, is one more.
    options: tables of further fields of `SolveOptions`.  seed: of solver and planner; more than one repeats trials.
    time_limit: seconds, or texts with a unit; arms are compared at each.
    """

    bounds: Sequence[str] = ("auto",)
    formulation: Sequence[str] = ("auto",)
    backend: Sequence[str] = ("highs",)
    planner: Sequence[str] = ()
    tool: Sequence[str] = ()
    options: Sequence[Mapping[str, Any]] = ({},)
    seed: Sequence[int] = (0,)
    time_limit: Sequence[Any] = (60.0,)

    def __post_init__(self) -> None:
        accept(
            self,
            **dict.fromkeys(("bounds", "formulation", "backend", "planner", "tool"), names),
            options=several(mapping, Mapping),
            seed=several(whole(0), int),
        )
        limits = [self.time_limit] if isinstance(self.time_limit, str | float | int) else self.time_limit
        object.__setattr__(self, "time_limit", tuple(build(SolveOptions, {"time_limit": t}).time_limit for t in limits))
        for name in (f.name for f in fields(self)):
            values = getattr(self, name)
            if len({str(value) for value in values}) < len(values):
                raise InvalidOption(f"axes: {name} is {shown(values)}; give each value once")
        for table in self.options:
            for key in table:
                if key in OWN_AXES:
                    raise InvalidOption(f"axes: options has {key}, which is no option of an arm: {_ELSEWHERE[key]}")
            build(SolveOptions, table, "axes: options:")

    def arms(self, folder: Path, missing: str = "error") -> tuple[list[Arm], list[str]]:
        """The arms, and why others are left out.

        folder: what paths of bounds are relative to.  missing: "skip" leaves out arms whose solver or tool is not
        installed, "error" raises `BackendUnavailable`.
        Raises `UnknownOption` and `InvalidOption` for a specification that nothing reads.
        """
        files = {spec: _files(spec, folder) for spec in self.bounds}
        for spec in self.formulation:
            resolve_formulation(spec)
        for spec in self.planner:
            resolve_planner(spec)
        left_out: list[str] = []
        backends = [spec for spec in self.backend if _there(require_backend, spec, missing, left_out)]
        tools = [spec for spec in self.tool if _there(require_tool, spec, missing, left_out)]
        arms = [
            Arm(bounds, formulation, backend, options=options, files=files[bounds])
            for bounds, formulation, backend, options in product(self.bounds, self.formulation, backends, self.options)
        ]
        arms += [Arm(planner=spec) for spec in self.planner]
        return arms + [Arm(tool=spec) for spec in tools], left_out


_ELSEWHERE = {
    "time_limit": "give the axis time_limit",
    "seed": "give the axis seed",
    "threads": "give limits.threads",
    "log": "nobody would see it",
}


def require_backend(spec: str) -> None:
    """Raise `BackendUnavailable` where a backend cannot run here, or what reading its specification raises."""
    require_available(resolve_backend(spec))


def _files(spec: str, folder: Path) -> dict[str, str]:
    """The digest of each file that bounds are read from; raises what reading a specification raises."""
    paths = [path for method in resolve_bounds(spec) if (path := getattr(method, "path", ""))]
    return {path: digest_of_file(str(folder / path)) for path in paths}


def _there(require: Any, spec: str, missing: str, left_out: list[str]) -> bool:
    try:
        require(spec)
    except BackendUnavailable as error:
        if missing == "error":
            raise BackendUnavailable(f'{error}; or say missing = "skip" to leave out what is not installed') from error
        left_out.append(f"{spec}: {error}")
        return False
    return True
