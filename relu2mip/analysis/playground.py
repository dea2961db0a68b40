"""Models of MuJoCo Playground's control suite as differentiable steps, without JAX in the loop.

Playground is imported to load a model by its name; MuJoCo itself steps and differentiates it, in float64, with as many
physics steps as Playground takes. First states are `mujoco_system.nearby`, not Playground's. Needs the extra
`playground`; no accelerator.
"""

from __future__ import annotations

from typing import Any

from relu2mip.analysis.mujoco_system import MujocoSystem
from relu2mip.analysis.system import STEP
from relu2mip.errors import BackendUnavailable, InvalidProblem, nearest

SUITE = (
    "AcrobotSwingup", "AcrobotSwingupSparse", "BallInCup", "CartpoleBalance", "CartpoleBalanceSparse",
    "CartpoleSwingup", "CartpoleSwingupSparse", "CheetahRun", "FingerSpin", "FingerTurnEasy", "FingerTurnHard",
    "FishSwim", "HopperHop", "HopperStand", "HumanoidRun", "HumanoidStand", "HumanoidWalk", "PendulumSwingup",
    "PointMass", "ReacherEasy", "ReacherHard", "SwimmerSwimmer6", "WalkerRun", "WalkerStand", "WalkerWalk",
)  # fmt: skip
"""The tasks whose models come with the package; those of others are downloaded."""


def load(name: str, method: str = "auto", size: float = STEP) -> MujocoSystem:
    """A task of the suite; raises `InvalidProblem` for an unknown one, `BackendUnavailable` without the package."""
    if name not in SUITE:
        raise InvalidProblem(
            f"playground: there is no task {name!r} whose model comes with the package; "
            f"{nearest(name, SUITE, 3) or 'there are ' + ', '.join(SUITE)}. Models of locomotion and manipulation are "
            "downloaded, so they are not loaded here"
        )
    try:
        from mujoco_playground import registry
    except ModuleNotFoundError as error:
        raise BackendUnavailable(
            f"{name} needs MuJoCo Playground (1.5 GB); install it with pip install 'relu2mip[playground]'"
        ) from error
    settings: Any = registry.get_default_config(name)
    settings.impl = "jax"
    env = registry.load(name, config=settings)
    made = MujocoSystem(
        env.mj_model, name=f"playground:{name}", frame_skip=int(env.n_substeps), method=method, size=size
    )
    made.about["playground"] = name
    return made
