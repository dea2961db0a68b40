"""How long and in which rounds to train."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from relu2mip.errors import InvalidOption


@dataclass(frozen=True)
class Schedule:
    """The rounds of training.

    First all units are gated, for `epochs` epochs. Then each round leaves `units[k]` of them gated, a `step` at a time,
    trains on for `round_epochs` after each step, and saves a copy of the network whose gated units are hardened to
    ReLU, fine-tuned for `finetune_epochs`, for `rollout_epochs` on rollouts of `rollout_steps` steps, and then for at
    most `polish` iterations of L-BFGS on all samples at once. The full network is saved in the same way before the
    first round.

    units: the decreasing numbers epsilon_1 > ... > epsilon_K.  step: the largest share of the gated units that is fixed
    at once; 1 for whole rounds.  rollout_steps: of a `Simulation`, 0 for none; such an epoch sees as many steps as
    another.  carry: whether a round begins with the weights of the member before, and not with those from before its
    fine-tuning.  batch: samples of a minibatch, 0 for all.
    learning_rate, gate_learning_rate: of Adam for weights and for gates; in each phase they fall to a hundredth on half
    a cosine.  seed: of minibatches and gates.  device: "cpu", "cuda" or "auto" (cuda where there is one).

    Raises `InvalidOption` for a value out of range.
    """

    units: tuple[int, ...] = ()
    epochs: int = 200
    round_epochs: int = 100
    finetune_epochs: int = 100
    step: float = 1.0
    rollout_steps: int = 0
    rollout_epochs: int = 0
    carry: bool = False
    polish: int = 0
    batch: int = 256
    learning_rate: float = 3e-3
    gate_learning_rate: float = 3e-2
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", tuple(self.units))
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in self.units):
            raise InvalidOption(f"units is {list(self.units)}; give whole numbers, at least 0")
        if any(a <= b for a, b in zip(self.units, self.units[1:], strict=False)):
            raise InvalidOption(f"units is {list(self.units)}; give fewer in each round than in the one before")
        for name in (
            "epochs",
            "round_epochs",
            "finetune_epochs",
            "rollout_steps",
            "rollout_epochs",
            "polish",
            "batch",
            "seed",
        ):
            if getattr(self, name) < 0:
                raise InvalidOption(f"{name} is {getattr(self, name)}; give at least 0")
        if not 0 < self.step <= 1:
            raise InvalidOption(f"step is {self.step}; give a share above 0, up to 1")
        if bool(self.rollout_steps) != bool(self.rollout_epochs):
            raise InvalidOption("give rollout_steps and rollout_epochs together")
        for name in ("learning_rate", "gate_learning_rate"):
            rate = getattr(self, name)
            if not (isfinite(rate) and rate > 0):
                raise InvalidOption(f"{name} is {rate}; give a positive number")
        if self.device not in {"cpu", "cuda", "auto"}:
            raise InvalidOption(f'device is {self.device!r}; give "cpu", "cuda" or "auto"')

    def narrowings(self, total: int) -> list[tuple[int, ...]]:
        """How many of `total` units each step leaves gated, by round.

        >>> Schedule(units=(5, 2), step=0.3).narrowings(10)
        [(7, 5), (4, 3, 2)]
        """
        rounds, left = [], total
        for target in self.units:
            steps = []
            while left > target:
                left = max(target, left - max(1, int(self.step * left)))
                steps.append(left)
            rounds.append(tuple(steps) or (target,))
        return rounds
