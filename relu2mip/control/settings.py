"""The [control] table of a problem file: the planner, the period, and the system to run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.accept import accept, numbers, optional, positive, text, whole
from relu2mip.arrays import Array
from relu2mip.control.environment import Environment
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.options import build
from relu2mip.trajectory.problem import Trajectory
from relu2mip.trajectory.toml import in_file, tables


@dataclass(frozen=True, eq=False)
class Settings:
    """The keys of [control]; docs/problem-file.md has them.

    environment: the id of a gymnasium environment; None: the network itself is the system.  state: which entries of its
    observation are states.  actions: the control that each of its discrete actions is.  initial_state: where the
    network starts as a system, by default the middle of the problem's.
    """

    planner: str = "hybrid"
    period: float | None = None
    steps: int = 50
    seed: int = 0
    safe_control: Any = None
    reference: Any = None
    environment: str | None = None
    state: Any = None
    actions: Any = None
    initial_state: Any = None

    def __post_init__(self) -> None:
        accept(
            self,
            planner=text,
            period=optional(positive),
            steps=whole(1),
            seed=whole(0),
            safe_control=optional(numbers),
            reference=optional(numbers),
            environment=optional(text),
            state=optional(_entries),
            actions=optional(numbers),
            initial_state=optional(numbers),
        )

    @classmethod
    def read(cls, path: str | Path, given: Mapping[str, Any]) -> Settings:
        """Those of a problem file, with what is `given` (and not None) in place of what it says."""
        with in_file(path):
            said = tables(path).get("control", {})
            chosen = {name: value for name, value in given.items() if value is not None}
            return build(cls, {**said, **chosen}, "key in [control]:")

    def system(self, problem: Trajectory, pictures: bool = False) -> Any:
        """The system, for `simulate`; raises `Relu2MipError` where gymnasium or the environment is missing."""
        if self.environment is None:
            return lambda state, control: problem.rollout(control[None], state)[1]
        try:
            import gymnasium
        except ImportError:
            raise Relu2MipError(
                f'environment {self.environment!r} needs gymnasium: install it with pip install "relu2mip[envs]"'
            ) from None
        try:
            made = gymnasium.make(self.environment, render_mode="rgb_array" if pictures else None)
        except Exception as error:
            raise InvalidProblem(f"control.environment: gymnasium cannot make {self.environment!r}: {error}") from None
        return Environment(made, self.state, self.actions)

    def first_state(self, problem: Trajectory) -> Array | None:
        """Where the network starts as a system; None: where the environment says."""
        if self.environment is not None:
            return None
        if self.initial_state is not None:
            return np.asarray(self.initial_state)
        low, high = problem.initial_limits
        return np.asarray((low[-1] + high[-1]) / 2)


def _entries(value: Any, where: str) -> Sequence[int]:
    given = numbers(value, where, "numbers of entries")
    if given.ndim != 1 or (given != np.round(given)).any() or (given < 0).any():
        raise InvalidProblem(f"{where} is {value!r}; give the numbers of entries of the observation")
    return tuple(int(k) for k in given)
