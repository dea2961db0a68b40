"""MuJoCo models as differentiable steps.

A state is (q, v, a): positions in the tangent space, as `mj_differentiatePos` measures them from `qpos0`, velocities,
and activations of actuators. A step is several of the physics engine's. With `mjd_transitionFD`, which differentiates
one of those, the Jacobians of a step are

    J_s = A_k ... A_1,      J_a = sum_i A_k ... A_{i + 1} B_i

It refuses the Runge-Kutta integrator; there, central differences through the whole step take its place, with all that
the integrator reads saved (`mjSTATE_INTEGRATION`, warm starts of the contact solver included), so that both agree where
both work. Needs the extra `envs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from relu2mip.accept import positive, whole
from relu2mip.analysis.system import STEP, central_differences
from relu2mip.arrays import Array
from relu2mip.errors import BackendUnavailable, InvalidData, InvalidProblem

TRANSITION, DIFFERENCES = "mjd_transitionFD", "central differences"


def mujoco() -> Any:
    """The module; raises `BackendUnavailable` where it is not installed."""
    try:
        import mujoco as found
    except ModuleNotFoundError as error:
        raise BackendUnavailable("MuJoCo models need mujoco; install it with pip install 'relu2mip[envs]'") from error
    return found


class MujocoSystem:
    """A MuJoCo model. It owns `data`, or shares that of an environment.

    frame_skip: physics steps of a step.  method: "auto", "mjd_transitionFD" or "central differences".
    start: puts `data` at a random first state, given a numpy generator; by default the model's own, moved a little.
    size: of differences.

    Raises `BackendUnavailable` without mujoco, and `InvalidProblem` for `mjd_transitionFD` with Runge-Kutta.
    """

    def __init__(
        self,
        model: Any,
        data: Any = None,
        *,
        name: str = "mujoco",
        frame_skip: int = 1,
        method: str = "auto",
        start: Callable[[Any, Any, np.random.Generator], None] | None = None,
        size: float = STEP,
    ) -> None:
        self._m, self.model = mujoco(), model
        self.data = self._m.MjData(model) if data is None else data
        self.name, self._start, self._size = name, start or nearby, positive(size, "size")
        self.frame_skip = whole(1)(frame_skip, "frame_skip")
        self.seconds = float(model.opt.timestep * self.frame_skip)
        rk4 = model.opt.integrator == self._m.mjtIntegrator.mjINT_RK4
        if method not in ("auto", TRANSITION, DIFFERENCES):
            raise InvalidProblem(f"method is {method!r}; give auto, {TRANSITION} or {DIFFERENCES}")
        if method == TRANSITION and rk4:
            raise InvalidProblem(f"{name}: {TRANSITION} does not support the integrator RK4; take {DIFFERENCES}")
        self.method = DIFFERENCES if method == DIFFERENCES or rk4 else TRANSITION
        limited = model.actuator_ctrllimited.astype(bool)
        self.low = np.where(limited, model.actuator_ctrlrange[:, 0], -1.0)
        self.high = np.where(limited, model.actuator_ctrlrange[:, 1], 1.0)
        joints = list(_joint_names(model, self._m))
        self.state_names = (*joints, *(f"d {joint}" for joint in joints), *(f"act {k}" for k in range(model.na)))
        names = [model.actuator(k).name or f"actuator {k}" for k in range(model.nu)]
        self.control_names = tuple(f"u {name}" if name in self.state_names else name for name in names)
        self.about: dict[str, Any] = {
            "mujoco": self._m.__version__,
            "integrator": self._m.mjtIntegrator(model.opt.integrator).name.removeprefix("mjINT_"),
            "frame_skip": self.frame_skip,
            "difference": self._size,
        }

    def reset(self, seed: int) -> None:
        """See `System`."""
        self._m.mj_resetData(self.model, self.data)
        self._start(self.model, self.data, np.random.default_rng(seed))
        self._m.mj_forward(self.model, self.data)

    @property
    def state(self) -> Array:
        """See `System`."""
        dq = np.zeros(self.model.nv)
        self._m.mj_differentiatePos(self.model, dq, 1.0, self.model.qpos0, self.data.qpos)
        return np.concatenate([dq, self.data.qvel, self.data.act])

    @property
    def observation(self) -> Array:
        """Positions, velocities and activations."""
        return np.concatenate([self.data.qpos, self.data.qvel, self.data.act])

    @property
    def contacts(self) -> int:
        """Contacts that the engine found last."""
        return int(self.data.ncon)

    def jacobians(self, control: Array) -> tuple[Array, Array]:
        """See `System`. Raises `InvalidData` where the simulation is not finite."""
        before = self._saved()
        try:
            found = self._by_transitions(control) if self.method == TRANSITION else self._by_differences(control)
        finally:
            self._restore(before)
        self._require_stable()
        if not all(np.isfinite(part).all() for part in found):
            raise InvalidData(f"{self.name}: a Jacobian is not finite; the simulation is unstable, take smaller steps")
        return found

    def advance(self, control: Array) -> tuple[Array, bool]:
        """See `System`. Raises `InvalidData` where the simulation is unstable."""
        self._run(control)
        self._require_stable()
        return self.state, False

    def _require_stable(self) -> None:
        """Refuse what MuJoCo makes of a state that is not finite: it warns and goes on from the model's first state."""
        kinds = self._m.mjtWarning
        for kind in (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC):
            if self.data.warning[kind].number:
                raise InvalidData(f"{self.name}: the simulation is unstable, its state not finite; take smaller steps")

    def _run(self, control: Array) -> None:
        self.data.ctrl[:] = control
        self._m.mj_step(self.model, self.data, nstep=self.frame_skip)

    def _by_transitions(self, control: Array) -> tuple[Array, Array]:
        n, m = 2 * self.model.nv + self.model.na, self.model.nu
        a, b, by_state, by_control = np.zeros((n, n)), np.zeros((n, m)), np.eye(n), np.zeros((n, m))
        for _ in range(self.frame_skip):
            self.data.ctrl[:] = control
            self._m.mjd_transitionFD(self.model, self.data, self._size, True, a, b, None, None)
            by_state, by_control = a @ by_state, a @ by_control + b
            self._m.mj_step(self.model, self.data)
        return by_state, by_control

    def _by_differences(self, control: Array) -> tuple[Array, Array]:
        before = self._saved()
        self._run(control)
        end = self.data.qpos.copy()

        def moved(change: Array, u: Array) -> Array:
            """The next state, in the tangent space at the end, after a change of the state here."""
            self._restore(before)
            nv = self.model.nv
            self._m.mj_integratePos(self.model, self.data.qpos, change[:nv], 1.0)
            self.data.qvel[:] += change[nv : 2 * nv]
            self.data.act[:] += change[2 * nv :]
            self._run(u)
            dq = np.zeros(nv)
            self._m.mj_differentiatePos(self.model, dq, 1.0, end, self.data.qpos)
            return np.concatenate([dq, self.data.qvel, self.data.act])

        nothing = np.zeros(2 * self.model.nv + self.model.na)
        by_state = central_differences(lambda change: moved(change, control), nothing, self._size)
        by_control = central_differences(lambda u: moved(nothing, u), control, self._size, self.low, self.high)
        return by_state, by_control

    def _saved(self) -> Array:
        kind = self._m.mjtState.mjSTATE_INTEGRATION
        state = np.zeros(self._m.mj_stateSize(self.model, kind))
        self._m.mj_getState(self.model, self.data, state, kind)
        return state

    def _restore(self, state: Array) -> None:
        self._m.mj_setState(self.model, self.data, state, self._m.mjtState.mjSTATE_INTEGRATION)


def nearby(model: Any, data: Any, rng: np.random.Generator) -> None:
    """Positions within their limits or a little from the model's own, and small velocities."""
    change = rng.uniform(-0.1, 0.1, model.nv)
    for joint in range(model.njnt):
        at = model.jnt_dofadr[joint]
        if model.jnt_limited[joint] and model.jnt_type[joint] >= 2:  # slides and hinges
            low, high = model.jnt_range[joint]
            change[at] = rng.uniform(low, high) * 0.5 + 0.25 * (low + high) - model.qpos0[model.jnt_qposadr[joint]]
    mujoco().mj_integratePos(model, data.qpos, change, 1.0)
    data.qvel[:] = rng.normal(0.0, 0.1, model.nv)


def _joint_names(model: Any, m: Any) -> Iterator[str]:
    """A name for each degree of freedom."""
    turns = "roll", "pitch", "yaw"
    axes = {m.mjtJoint.mjJNT_FREE: ("x", "y", "z", *turns), m.mjtJoint.mjJNT_BALL: turns}
    for k in range(model.njnt):
        name = model.joint(k).name or f"joint {k}"
        own = axes.get(m.mjtJoint(model.jnt_type[k]))
        yield from (f"{name}.{axis}" for axis in own) if own else (name,)
