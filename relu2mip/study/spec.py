"""The spec of a study: networks × problems × axes, less what is excluded; checked whole before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relu2mip.accept import accept, mapping, one_of, several, text, whole
from relu2mip.errors import InvalidOption, InvalidProblem, UnknownOption
from relu2mip.options import build
from relu2mip.study import exclude as rules
from relu2mip.study.axes import Axes
from relu2mip.study.networks import Networks
from relu2mip.study.problems import Problem
from relu2mip.study.trial import AXES, Arm, Instance, Limits, Trial
from relu2mip.trajectory.toml import in_file, tables

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from relu2mip.study.runner import Listener, Summary


@dataclass(frozen=True)
class Study:
    """A study.

    name: that of its store and report.  question: what it asks, in a sentence.  networks, problems, axes: the product
    that it tries.  exclude: rules that leave trials out, each a table of axes and values.  baseline: values of axes of
    arms; every arm is compared with the arm that has these and otherwise its own.  limits: of each trial.  seed: of the
    order of trials and of the resampling in the report.  missing: whether a solver or tool that is not installed is an
    "error" or a "skip".  folder: what paths are relative to.

    Raises `UnknownOption`, `InvalidOption`, `InvalidProblem` for a part that does not fit, when it is made, and when
    its trials are first asked for: files, problems, solvers, what is excluded, a baseline that no arm has.

    >>> import tempfile
    >>> from relu2mip.study import Axes, Networks, Problem, Study
    >>> tables = {"horizon": 3, "predicts": "change", "initial_state": [0.5, 0, 0, 0],
    ...           "controls": {"lower": -1, "upper": 1}, "states": {"lower": -2, "upper": 2},
    ...           "costs": [{"kind": "l1", "state": 1.0}]}
    >>> asked = Study("example", networks=[Networks(random={"width": 4})], problems=[Problem(tables=tables)],
    ...               axes=Axes(formulation=["big-m", "ideal"]), baseline={"formulation": "big-m"},
    ...               folder=tempfile.mkdtemp())
    >>> len(asked.trials)
    2
    """

    name: str
    problems: Sequence[Problem]
    networks: Sequence[Networks] = ()
    axes: Axes = field(default_factory=Axes)
    question: str = ""
    exclude: Sequence[Mapping[str, Any]] = ()
    baseline: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    missing: str = "error"
    folder: Path = field(default_factory=Path)

    def __post_init__(self) -> None:
        accept(
            self,
            name=text,
            networks=several(_part(Networks), (Networks, Mapping)),
            problems=several(_part(Problem), (Problem, Mapping)),
            axes=_part(Axes),
            limits=_part(Limits),
            exclude=several(mapping, Mapping),
            baseline=mapping,
            seed=whole(0),
            missing=one_of("error", "skip"),
            folder=lambda value, _: Path(value),
        )
        if not self.problems:
            raise InvalidProblem("the study has no problems; give at least one")
        rules.check(self.exclude)
        for axis in self.baseline:
            if axis not in AXES:
                raise UnknownOption("axis in baseline:", axis, AXES)
        called = [group.name for group in self.networks]
        if len(set(called)) < len(called):
            raise InvalidOption(f"networks: groups are called {called}; give each a name of its own")
        for problem in self.problems:
            for name in problem.networks:
                if name not in called:
                    raise UnknownOption(f"networks of problem {problem.name!r}:", name, filter(None, called))
        names = [problem.name for problem in self.problems]
        if len(set(names)) < len(names):
            raise InvalidOption(f"problems are called {names}; give each a name of its own")

    @classmethod
    def from_toml(cls, path: str | Path) -> Study:
        """Read a spec; see docs/guide/studies.md for its keys. Paths in it are relative to the file."""
        path = Path(path)
        with in_file(path):
            data = tables(path)
            known = {f.name for f in fields(cls) if f.name != "folder"}
            for key in data:
                if key not in known:
                    raise UnknownOption("key of a study:", key, known)
            return build(cls, {"name": path.stem, **data, "folder": path.resolve().parent}, "key of a study:")

    @property
    def generated(self) -> Path:
        """Where random networks are written."""
        return self.folder / f"{self.name}-networks"

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """What is compared."""
        return tuple(self._arms[0])

    @property
    def left_out(self) -> tuple[str, ...]:
        """Solvers and tools that are not installed, where `missing` is "skip"."""
        return tuple(self._arms[1])

    @cached_property
    def _arms(self) -> tuple[list[Arm], list[str]]:
        return self.axes.arms(self.folder, self.missing)

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """What they are tried on."""
        return tuple(self._instances())

    def _instances(self) -> Iterator[Instance]:
        found = {group.name: group.found(self.folder, self.generated) for group in self.networks}
        for problem in self.problems:
            groups = problem.networks or list(found)
            networks = {name: path for group in groups for name, path in found[group].items()}
            for one in problem.statements(self.folder, networks):
                for limit in self.axes.time_limit:
                    yield Instance(
                        network=one.network,
                        problem=one.problem_name,
                        horizon=one.horizon,
                        initial_state=one.initial_state,
                        cost=one.cost,
                        time_limit=limit,
                        relus=one.relus,
                        statement=one.statement,
                        folder=one.folder,
                        files=one.files,
                    )

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All trials, in the order they run in.

        The arms of an instance and seed run one after the other, in random order, and so do the instances: what drifts
        on a machine hits all arms alike.
        """
        rng = np.random.default_rng(self.seed)
        blocks = [(instance, seed) for instance in self.instances for seed in self.axes.seed]
        ordered: list[Trial] = []
        for k in rng.permutation(len(blocks)):
            instance, seed = blocks[k]
            block = [Trial(instance, arm, seed, self.limits, str(self.folder.resolve())) for arm in self.arms]
            kept = [t for t in block if not any(rules.excludes(rule, t) for rule in self.exclude)]
            ordered += [kept[j] for j in rng.permutation(len(kept))]
        if not ordered:
            raise InvalidOption(f"study {self.name!r} has no trials: its rules exclude all of them, or no arm is left")
        self._require_distinct(ordered)
        if self.baseline and not any(matches(self.baseline, trial.arm) for trial in ordered):
            raise InvalidOption(f"baseline: no arm has {dict(self.baseline)}; the arms are {_listed(ordered)}")
        return tuple(ordered)

    def _require_distinct(self, trials: Sequence[Trial]) -> None:
        seen: dict[str, Trial] = {}
        for trial in trials:
            if (other := seen.setdefault(trial.key, trial)) is not trial:
                raise InvalidOption(f"two trials are the same: {trial}, and {other}; leave one out")

    @property
    def about(self) -> dict[str, Any]:
        """What a store says of it."""
        return {
            "name": self.name,
            "question": self.question,
            "baseline": dict(self.baseline),
            "seed": self.seed,
            "axes": asdict(self.axes),
            "exclude": [dict(rule) for rule in self.exclude],
            "limits": asdict(self.limits),
            "left_out": list(self.left_out),
        }

    def run(
        self,
        store: str | Path,
        engine: str | Executor = "processes",
        *,
        workers: int | None = None,
        scheduler: str | None = None,
        watch: Listener | None = None,
    ) -> Summary:
        """Run what is missing in the store; see `relu2mip.study.runner.run`.

        Raises what does not fit in the study, before anything runs, and what that raises.
        """
        from relu2mip.study.runner import run

        asked = self.about, self.trials, self.limits.threads
        return run(*asked, store, engine, workers=workers, scheduler=scheduler, watch=watch)


def matches(baseline: Mapping[str, str], arm: Arm) -> bool:
    """Whether an arm has these values.

    >>> matches({"formulation": "big-m"}, Arm("crown", "big-m", "highs"))
    True
    """
    axes = arm.axes
    return all(axes[axis] == value for axis, value in baseline.items())


def partner(arm: Arm, baseline: Mapping[str, str], arms: Sequence[Arm]) -> Arm | None:
    """The arm that another is compared with: the baseline's values, otherwise as much its own as there is.

    A planner or another tool, which has no such axes, is compared with the first arm of these values. None where the
    arm is a baseline itself, or there is no baseline.
    """
    candidates = [one for one in arms if matches(baseline, one)]
    if not baseline or not candidates or arm in candidates:
        return None
    return max(candidates, key=lambda one: sum(one.axes[name] == value for name, value in arm.axes.items()))


def _part(kind: type[Any]) -> Any:
    def reader(value: Any, where: str) -> Any:
        if isinstance(value, kind):
            return value
        return build(kind, mapping(value, where), f"key in {where}:")

    return reader


def _listed(trials: Sequence[Trial]) -> str:
    names = sorted({str(trial.arm) for trial in trials})
    return "; ".join(names[:8]) + ("; ..." if len(names) > 8 else "")
