"""How units are priced and removed while an agent trains."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from relu2mip.errors import InvalidOption


@dataclass(frozen=True)
class Pruning:
    """The options of pruning, nu and rho in the words of what they price.

    features, policy, critics, value: nu, the price of a parameter of the feature extractor and of each kind of agent
    network.  share: rho, what a parameter that only training needs counts beside one that is deployed.
    start, end: environment steps; theta is 1 before the first, and rounded to 0 or 1 and fixed from the second on.
    feature_rate, policy_rate, critic_rate: the step of theta, of the feature extractor, of the policy, and of the Q
    networks and the value network. Their errors are squares of returns, and at the policy's rate they go astray.
    tolerance: a unit with theta below it is removed.  interval: updates from one removal to the next.

    Raises `InvalidOption` for a value out of range.
    """

    features: float = 5e-8
    policy: float = 2e-6
    critics: float = 1e-4
    value: float = 1e-4
    share: float = 1.0
    start: int = 200_000
    end: int = 800_000
    feature_rate: float = 0.1
    policy_rate: float = 0.01
    critic_rate: float = 1e-4
    tolerance: float = 0.1
    interval: int = 100

    def __post_init__(self) -> None:
        for name in ("features", "policy", "critics", "value"):
            if not (isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InvalidOption(
                    f"pruning.{name} is {getattr(self, name)}; give the price of a parameter, at least 0"
                )
        for name in ("feature_rate", "policy_rate", "critic_rate"):
            if not (isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InvalidOption(f"pruning.{name} is {getattr(self, name)}; give a positive number")
        if not 0 <= self.share <= 1:
            raise InvalidOption(f"pruning.share is {self.share}; give a share in [0, 1]")
        if not 0 < self.tolerance < 0.5:
            raise InvalidOption(
                f"pruning.tolerance is {self.tolerance}; theta is a probability, and from 0.5 on it is rounded to 1: "
                "give a number above 0 and below 0.5"
            )
        if self.interval < 1:
            raise InvalidOption(f"pruning.interval is {self.interval}; give at least 1")
        if not 0 <= self.start < self.end:
            raise InvalidOption(
                f"pruning.start is {self.start} and pruning.end {self.end}; give steps, the first below the second"
            )
