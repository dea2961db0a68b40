"""Systems by name: gymnasium environments, and the models of MuJoCo Playground's control suite.

    Reacher-v4, Pendulum-v1               what gymnasium knows: MuJoCo environments, and those whose state can be set
    environments:Push-v0                  of a module that registers it, which is imported first
    playground:CartpoleBalance            a model of the suite, stepped by MuJoCo itself (extra `playground`)

An environment can be differentiated where its step can be taken from a state that is set: it has a MuJoCo `model` and
`data`, or `full_state` and `next_state(state, control)`, or, like gymnasium's classic ones, an array `state`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from relu2mip.accept import refuse
from relu2mip.analysis.mujoco_system import MujocoSystem
from relu2mip.analysis.system import STEP, StepFunction, System
from relu2mip.arrays import Array
from relu2mip.errors import BackendUnavailable, InvalidProblem, nearest

PLAYGROUND = "playground:"
HELP = "relu2mip analyze --help says which there are"


class GymnasiumMujoco(MujocoSystem):
    """A MuJoCo environment of gymnasium: it is reset and stepped by its own methods, episodes end where it says."""

    def __init__(self, env: Any, name: str, method: str = "auto", size: float = STEP) -> None:
        self.env, inner = env, env.unwrapped
        env.reset(seed=0)
        super().__init__(inner.model, inner.data, name=name, frame_skip=inner.frame_skip, method=method, size=size)
        self._seen: Array = np.zeros(0)

    def reset(self, seed: int) -> None:
        """See `System`."""
        self._seen = self.env.reset(seed=seed)[0]

    @property
    def observation(self) -> Array:
        """The environment's own."""
        return self._seen

    def advance(self, control: Array) -> tuple[Array, bool]:
        """See `System`."""
        kind = self.env.action_space.dtype
        self._seen, _, terminated, truncated, _ = self.env.step(np.asarray(control, dtype=kind))
        self._require_stable()
        following, ended = self.state, bool(terminated or truncated)
        if ended:
            self._seen = self.env.reset()[0]
        return following, ended


def system_of(environment: Any, method: str = "auto", size: float | None = None) -> System:
    """The differentiable step of an environment, or of the name of one.

    method: of Jacobians of MuJoCo models: "auto", "mjd_transitionFD" or "central differences".  size: of differences,
    by default 1e-6, or what the environment says in `difference`.

    Raises `InvalidProblem` for an unknown name, with the nearest, for discrete actions, and for what cannot be
    differentiated; `BackendUnavailable` where a package is missing, or a model needs a download.
    """
    if isinstance(environment, str):
        if environment.startswith(PLAYGROUND):
            from relu2mip.analysis.playground import load

            return load(environment.removeprefix(PLAYGROUND), method, size or STEP)
        environment = _made(environment)
    inner = getattr(environment, "unwrapped", environment)
    if not all(hasattr(inner, part) for part in ("action_space", "reset", "step")):
        refuse(environment, "environment", "the name of one, or a gymnasium environment")
    name = getattr(getattr(inner, "spec", None), "id", None) or type(inner).__name__
    space = inner.action_space
    if not hasattr(space, "low"):
        raise InvalidProblem(f"{name}: its actions are {space}; a Jacobian needs a Box of them")
    if hasattr(inner, "model") and hasattr(inner, "data"):
        return GymnasiumMujoco(environment, name, method, size or STEP)
    if hasattr(inner, "full_state") and hasattr(inner, "next_state"):
        return _of_task(inner, name, size)
    if isinstance(getattr(inner, "state", None), np.ndarray) or (environment.reset(seed=0) and _has_state(inner)):
        return _of_classic(inner, name, size)
    raise InvalidProblem(f"{name}: its state cannot be set; give it full_state and next_state(state, control)")


def _made(name: str) -> Any:
    try:
        import gymnasium
    except ModuleNotFoundError as error:
        raise BackendUnavailable("environments need gymnasium; install it with pip install 'relu2mip[envs]'") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older versions, which studies ask for on purpose
            return gymnasium.make(name)
    except (gymnasium.error.NameNotFound, gymnasium.error.VersionNotFound, gymnasium.error.NamespaceNotFound) as error:
        from relu2mip.analysis.playground import SUITE

        known = [*gymnasium.registry, *(f"{PLAYGROUND}{task}" for task in SUITE)]
        raise InvalidProblem(f"there is no environment {name!r}; {nearest(name, known, 3) or HELP}") from error
    except ModuleNotFoundError as error:
        module = name.partition(":")[0]
        if module != name and repr(module) in str(error):
            raise InvalidProblem(f"environment {name!r}: {error}; put its folder on the path") from error
        raise BackendUnavailable(
            f"environment {name!r}: {error}; install it, or all of them with pip install 'relu2mip[envs]'"
        ) from error
    except gymnasium.error.Error as error:
        raise InvalidProblem(f"environment {name!r}: {error}") from error


def _has_state(env: Any) -> bool:
    return isinstance(getattr(env, "state", None), np.ndarray)


def _of_task(env: Any, name: str, size: float | None) -> StepFunction:
    def drawn(rng: np.random.Generator) -> Array:
        env.reset(seed=int(rng.integers(2**31)))
        return np.asarray(env.full_state, dtype=np.float64)

    space = env.action_space
    return StepFunction(
        env.next_state,
        drawn,
        space.low,
        space.high,
        name=name,
        state_names=getattr(env, "full_state_names", None),
        control_names=getattr(env, "control_names", None),
        contacts=getattr(env, "contacts", None),
        size=size or float(getattr(env, "difference", STEP)),
    )


def _of_classic(env: Any, name: str, size: float | None) -> StepFunction:
    """An environment whose `state` is all of its state. Episodes do not end."""

    def step(state: Array, control: Array) -> Array:
        env.state = state
        env.step(control)
        return np.asarray(env.state, dtype=np.float64)

    def drawn(rng: np.random.Generator) -> Array:
        env.reset(seed=int(rng.integers(2**31)))
        return np.asarray(env.state, dtype=np.float64)

    space = env.action_space
    return StepFunction(step, drawn, space.low, space.high, name=name, size=size or STEP)
