"""What is trained: an environment, how long, and the arms that are compared on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relu2mip.errors import InvalidOption, UnknownOption
from relu2mip.frontends.reinforcement.ofenet import Features
from relu2mip.frontends.reinforcement.pruning import Pruning


@dataclass(frozen=True)
class Arm:
    """The networks of an agent and how they are pruned: the arguments of `PruningSAC` under the same names."""

    hidden: tuple[int, ...] = (256, 256)
    features: Features | None = None
    pruning: Pruning | None = None
    decay: float = 0.0


@dataclass(frozen=True)
class SacOptions:
    """What all arms share, under the names of `stable_baselines3.SAC`; activation and value_network are ours.

    learning_starts: the steps of the random phase.
    """

    activation: str = "relu"
    value_network: bool = False
    learning_rate: float = 3e-4
    buffer_size: int = 1_000_000
    learning_starts: int = 1000
    batch_size: int = 256
    tau: float = 0.005
    gamma: float = 0.99
    train_freq: int = 1
    gradient_steps: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("buffer_size", "batch_size", "train_freq", "gradient_steps"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"sac.{name} is {getattr(self, name)}; give at least 1")
        if self.learning_starts < 1:
            raise InvalidOption(f"sac.learning_starts is {self.learning_starts}; give at least one random step")
        if not 0 < self.learning_rate < float("inf"):
            raise InvalidOption(f"sac.learning_rate is {self.learning_rate}; give a positive number")
        for name in ("tau", "gamma"):
            if not 0 < getattr(self, name) <= 1:
                raise InvalidOption(f"sac.{name} is {getattr(self, name)}; give a number above 0, up to 1")


@dataclass(frozen=True)
class Evaluation:
    """The score of an agent: the mean return of its deterministic policy.

    every: steps from one evaluation to the next, after each of which the run is saved.  episodes: of each.
    """

    every: int = 1000
    episodes: int = 5

    def __post_init__(self) -> None:
        for name in ("every", "episodes"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"evaluation.{name} is {getattr(self, name)}; give at least 1")


@dataclass(frozen=True)
class Experiment:
    """Arms that are trained on one environment, with equal steps and seeds.

    environment: a name of gymnasium.  folder: where runs go.  reference: the arm that ratios of parameters refer to.

    Raises `InvalidOption` where training ends before the random phase does, or before pruning does.
    """

    environment: str
    folder: Path
    steps: int
    arms: Mapping[str, Arm]
    seeds: tuple[int, ...] = (0, 1, 2)
    reference: str = "ofe"
    sac: SacOptions = field(default_factory=SacOptions)
    evaluation: Evaluation = field(default_factory=Evaluation)

    def __post_init__(self) -> None:
        if self.steps <= self.sac.learning_starts:
            raise InvalidOption(
                f"steps is {self.steps}, not above the {self.sac.learning_starts} steps of the random phase "
                "(sac.learning_starts); give more"
            )
        if not self.arms:
            raise InvalidOption("there are no arms; give at least one table [arms.NAME]")
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise InvalidOption(f"seeds is {list(self.seeds)}; give different numbers, at least 0")
        if self.reference not in self.arms:
            raise UnknownOption("arm as reference:", self.reference, self.arms)
        for name, arm in self.arms.items():
            if arm.pruning is None:
                continue
            if arm.pruning.end >= self.steps:
                raise InvalidOption(
                    f"arms.{name}: pruning.end is {arm.pruning.end}, and training ends after {self.steps} steps; "
                    "the units that are left need the rest of them: end earlier"
                )
            if arm.pruning.start < self.sac.learning_starts:
                raise InvalidOption(
                    f"arms.{name}: pruning.start is {arm.pruning.start}, below the {self.sac.learning_starts} steps of "
                    "the random phase (sac.learning_starts); start later"
                )

    def run(self, arm: str, seed: int) -> Path:
        """The folder of a run."""
        return self.folder / arm / f"seed-{seed}"

    def chosen(self, arms: tuple[str, ...] = (), seeds: tuple[int, ...] = ()) -> list[tuple[str, int]]:
        """Runs, seed by seed: all, or those of some arms and seeds.

        Raises `UnknownOption` for an arm that there is not, `InvalidOption` for such a seed.
        """
        for arm in arms:
            if arm not in self.arms:
                raise UnknownOption("arm", arm, self.arms)
        for seed in seeds:
            if seed not in self.seeds:
                raise InvalidOption(f"seed is {seed}; the experiment has {', '.join(map(str, self.seeds))}")
        return [(arm, seed) for seed in seeds or self.seeds for arm in arms or tuple(self.arms)]

    def agent_options(self, arm: str) -> dict[str, Any]:
        """The arguments of `PruningSAC` for an arm."""
        chosen, shared = self.arms[arm], vars(self.sac)
        return {**shared, **vars(chosen)}
