"""The networks of a study: files, globs, folders of families, and random ones with seeds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relu2mip.accept import accept, names, shown
from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.options import build
from relu2mip.study.random_network import Random


@dataclass(frozen=True)
class Networks:
    """A group of networks, from one of three sources.

    files: paths or globs.  family: a folder with the members of a family, as training writes them (`full.onnx`,
    `units-16.onnx`).  random: the fields of `Random`, lists of which make every combination.
    name: what problems call the group by; networks are named by it too where a study has several groups.
    """

    files: Sequence[str] = ()
    family: str = ""
    random: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        accept(self, files=names)
        if sum(map(bool, (self.files, self.family, self.random))) != 1:
            raise InvalidOption(
                f"networks {self.name!r}: give one of files, family and random, found {shown(_given(self))}"
            )

    def found(self, folder: Path, made: Path) -> dict[str, Path]:
        """The files by name; paths are relative to `folder`, random networks are written into `made`.

        Raises `InvalidProblem` where a path or a glob finds nothing.
        """
        return {self._named(name): path for name, path in self._found(folder, made)}

    def _named(self, name: str) -> str:
        return f"{self.name}/{name}" if self.name else name

    def _found(self, folder: Path, made: Path) -> Iterator[tuple[str, Path]]:
        if self.random:
            for network in randoms(self.random):
                yield str(network), network.write(made)
            return
        patterns = [f"{self.family}/*.onnx"] if self.family else list(self.files)
        for pattern in patterns:
            paths = sorted(Path(folder).glob(pattern)) if not Path(pattern).is_absolute() else _absolute(pattern)
            if not paths:
                where = Path(folder) / pattern
                raise InvalidProblem(
                    f"networks {self.name!r}: there is no file {where}; paths are relative to the spec"
                )
            for path in sorted(paths, key=_by_units):
                yield path.stem, path.resolve()


def randoms(given: Mapping[str, Any]) -> list[Random]:
    """The random networks of every combination."""
    combinations: list[dict[str, Any]] = [{}]
    for key, value in given.items():
        values = value if isinstance(value, list | tuple) else [value]
        combinations = [{**made, key: entry} for made in combinations for entry in values]
    return [build(Random, made, "random network:") for made in combinations]


def _absolute(pattern: str) -> list[Path]:
    anchor = Path(pattern).anchor
    return sorted(Path(anchor).glob(str(Path(pattern).relative_to(anchor))))


def _by_units(path: Path) -> tuple[float, str]:
    """The full model first, then fewer and fewer ReLUs; other files by name."""
    units = re.search(r"units-(\d+)$", path.stem)
    return (-float(units[1]) if units else -float("inf"), path.stem)


def _given(made: Networks) -> list[str]:
    return [name for name in ("files", "family", "random") if getattr(made, name)]
