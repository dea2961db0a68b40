"""Jacobians along rollouts: collected from a system, saved and loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.accept import whole
from relu2mip.analysis.policies import policy_of
from relu2mip.analysis.system import System
from relu2mip.arrays import Array, Index, Mask
from relu2mip.errors import InvalidData
from relu2mip.runtime.npz import read_npz, write_npz

VERSION = 1


@dataclass(frozen=True, eq=False)
class Rollouts:
    """R rollouts of T steps of a system with n states and m controls.

    states, next_states: (R, T, n).  controls: (R, T, m).  by_state: ∂s′/∂s, (R, T, n, n).  by_control: ∂s′/∂a,
    (R, T, n, m).  contacts: in the step before, (R, T).  begins: where a rollout or an episode in it begins, (R, T).
    seconds: of a step.  about: how they were made: name, method, policy, seed, versions.

    Raises `InvalidData` where shapes do not fit or a number is not finite, naming the array, rollout and step.
    """

    states: Array
    controls: Array
    next_states: Array
    by_state: Array
    by_control: Array
    contacts: Index
    begins: Mask
    seconds: float
    state_names: tuple[str, ...]
    control_names: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (r, t, n), m = np.shape(self.states), np.shape(self.controls)[-1]
        shapes = {
            "controls": (r, t, m),
            "next_states": (r, t, n),
            "by_state": (r, t, n, n),
            "by_control": (r, t, n, m),
            "contacts": (r, t),
            "begins": (r, t),
        }
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                given = np.shape(getattr(self, name))
                raise InvalidData(f"{name} has shape {given}; give {shape}, beside states of shape {r, t, n}")
        if (len(self.state_names), len(self.control_names)) != (n, m):
            raise InvalidData(f"give {n} state_names and {m} control_names")
        if len(set(self.input_names)) < n + m:
            raise InvalidData(f"names of states and controls are not all different: {', '.join(self.input_names)}")
        for name in ("states", "controls", "next_states", "by_state", "by_control"):
            bad = np.argwhere(~np.isfinite(getattr(self, name)))
            if bad.size:
                where = f"rollout {bad[0][0]}, step {bad[0][1]}"
                raise InvalidData(f"{name} is not finite at {where}; the simulation is unstable there, leave it out")

    @property
    def jacobians(self) -> Array:
        """By state and control together, (R, T, n, n + m)."""
        return np.concatenate([self.by_state, self.by_control], axis=-1)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return (*self.state_names, *self.control_names)

    @property
    def spread(self) -> tuple[Array, Array]:
        """The standard deviation of next states (n,), and of states and controls (n + m,), over all steps; not 0."""
        inputs = np.concatenate([self.states, self.controls], axis=-1)
        out, into = (part.reshape(-1, part.shape[-1]).std(axis=0) for part in (self.next_states, inputs))
        return np.where(out > 0, out, 1.0), np.where(into > 0, into, 1.0)

    @property
    def normalised(self) -> Array:
        """Jacobians in units of the spreads: how many spreads of an output one spread of an input makes."""
        out, into = self.spread
        return self.jacobians * into / out[:, None]

    def save(self, path: str | Path) -> Path:
        """Write an .npz file, without pickle."""
        path = Path(path)
        if path.suffix != ".npz":
            raise InvalidData(f"{path.name}: name the file .npz")
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in held.items() if name not in arrays}
        return write_npz(path, arrays, {**plain, "version": VERSION})

    @classmethod
    def load(cls, path: str | Path) -> Rollouts:
        """Read what `save` wrote; raises `InvalidData` for anything else."""
        try:
            held, meta = read_npz(path)
            if meta.pop("version") != VERSION:
                raise InvalidData(f"{path}: these rollouts were saved by another version of relu2mip")
            names: dict[str, Any] = {name: tuple(meta.pop(name)) for name in ("state_names", "control_names")}
            return cls(**held, **names, **meta)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InvalidData):
                raise
            raise InvalidData(f"{path} holds no rollouts: {error}") from error


def jacobians(
    system: System,
    rollouts: int = 50,
    steps: int = 200,
    policy: str | Any = "random",
    seed: int = 0,
    watch: Callable[[int, int], None] | None = None,
) -> Rollouts:
    """Run a system under a policy and take the Jacobians of every step.

    policy: "random" (uniform, new each step), "held" (kept for 8 steps), "zero", a function (system, step, generator)
    -> control, or a learned model with `predict(observation)`.  watch: is told how many steps of how many are done.

    Raises `InvalidData` where the simulation does not stay finite.

    >>> from relu2mip.analysis.system import StepFunction
    >>> system = StepFunction(lambda x, u: [x[0] + 0.1 * x[1], x[1] + 0.1 * u[0]], [1.0, 0.0], [-1.0], [1.0])
    >>> found = jacobians(system, rollouts=2, steps=3)
    >>> found.jacobians.shape, found.jacobians[0, 0].round(6).tolist()
    ((2, 3, 2, 3), [[1.0, 0.1, 0.0], [0.0, 1.0, 0.1]])
    """
    count, length = whole(1)(rollouts, "rollouts"), whole(1)(steps, "steps")
    chosen, rng = policy_of(policy), np.random.default_rng(seed)
    n, m = len(system.state_names), len(system.control_names)
    sizes = {"states": n, "controls": m, "next_states": n}
    held = {name: np.zeros((count, length, size)) for name, size in sizes.items()}
    by_state, by_control = np.zeros((count, length, n, n)), np.zeros((count, length, n, m))
    contacts, begins = np.zeros((count, length), dtype=np.intp), np.zeros((count, length), dtype=bool)
    for r in range(count):
        system.reset(int(rng.integers(2**31)))
        ended = True
        for t in range(length):
            u = np.asarray(chosen(system, t, rng), dtype=np.float64)
            at = r, t
            held["states"][at], held["controls"][at], begins[at] = system.state, u, ended
            by_state[at], by_control[at] = system.jacobians(u)
            held["next_states"][at], ended = system.advance(u)
            contacts[at] = system.contacts
            if watch is not None:
                watch(r * length + t + 1, count * length)
    about = {
        "name": system.name,
        "method": system.method,
        "policy": policy if isinstance(policy, str) else getattr(policy, "__name__", type(policy).__name__),
        "seed": seed,
        "numpy": np.__version__,
        **system.about,
    }
    return Rollouts(
        **held,
        by_state=by_state,
        by_control=by_control,
        contacts=contacts,
        begins=begins,
        seconds=system.seconds,
        state_names=system.state_names,
        control_names=system.control_names,
        about=about,
    )
