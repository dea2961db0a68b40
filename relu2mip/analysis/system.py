"""Differentiable steps: a system that is somewhere, says the Jacobians of its next step there, and takes it.

Jacobians are those of the whole step of a control, from state to next state, in the coordinates of `state`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import numbers, positive
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem

STEP = 1e-6
"""Step of finite differences, relative to the size of what is moved, or to 1 where that is smaller."""

Step: TypeAlias = Callable[[Array, Array], ArrayLike]
"""next_state = step(state, control)."""


class System(Protocol):
    """A system with n states and m controls.

    state_names (n,), control_names (m,).  low, high: limits of controls, (m,).  seconds: of a step, NaN where unknown.
    method: how Jacobians are found, in words.  about: versions and settings, plain values.
    """

    name: str
    state_names: tuple[str, ...]
    control_names: tuple[str, ...]
    low: Array
    high: Array
    seconds: float
    method: str
    about: dict[str, Any]

    def reset(self, seed: int) -> None:
        """Go to a random first state."""
        ...

    @property
    def state(self) -> Array:
        """Where it is, (n,)."""
        ...

    @property
    def observation(self) -> Array:
        """What a learned policy sees there."""
        ...

    def jacobians(self, control: Array) -> tuple[Array, Array]:
        """By state (n, n) and by control (n, m), of the step of a control from where it is; it stays there."""
        ...

    def advance(self, control: Array) -> tuple[Array, bool]:
        """Take the step: the next state, and whether an episode ended there, so that the system was reset."""
        ...

    @property
    def contacts(self) -> int:
        """How many contacts there were in the last step; 0 after a reset and of systems without any."""
        ...


def central_differences(
    step: Callable[[Array], Array],
    at: Array,
    size: ArrayLike = STEP,
    low: ArrayLike = -np.inf,
    high: ArrayLike = np.inf,
) -> Array:
    """The Jacobian of a function at a point, one column an entry; differences are one-sided at limits.

    size: of the step by entry.

    >>> central_differences(lambda x: np.array([x[0] ** 2, x[0] * x[1]]), np.array([3.0, 2.0])).round(6).tolist()
    [[6.0, 0.0], [2.0, 3.0]]
    """
    sizes, (least, most) = np.broadcast_to(size, at.shape), np.broadcast_arrays(low, high, at)[:2]
    columns = []
    for k in range(at.size):
        up, down = at.copy(), at.copy()
        up[k], down[k] = min(at[k] + sizes[k], most[k]), max(at[k] - sizes[k], least[k])
        columns.append((step(up) - step(down)) / (up[k] - down[k]))
    return np.stack(columns, axis=-1)


class StepFunction:
    """Any step function, with Jacobians by central differences.

    step: next_state = step(state, control), a function of nothing else.  initial: a first state, or a function of a
    numpy generator that draws one.  low, high: limits of the controls, (m,).
    contacts: how many contacts a step has, as a function of state and control.  size: of differences, relative to the
    size of each entry, or to 1.  jacobians: the Jacobians themselves where they are known, in place of differences.

    Raises `InvalidProblem` where shapes do not fit, and where a step is not finite.

    >>> system = StepFunction(lambda x, u: [x[0] + 0.1 * x[1], x[1] + 0.1 * u[0]], [1.0, 0.0], [-1.0], [1.0])
    >>> system.reset(0)
    >>> [part.round(9).tolist() for part in system.jacobians(np.zeros(1))]
    [[[1.0, 0.1], [0.0, 1.0]], [[0.0], [0.1]]]
    """

    def __init__(
        self,
        step: Step,
        initial: ArrayLike | Callable[[np.random.Generator], ArrayLike],
        low: ArrayLike,
        high: ArrayLike,
        *,
        name: str = "step",
        state_names: Sequence[str] | None = None,
        control_names: Sequence[str] | None = None,
        seconds: float = float("nan"),
        contacts: Callable[[Array, Array], int] | None = None,
        size: float = STEP,
        jacobians: Callable[[Array, Array], tuple[ArrayLike, ArrayLike]] | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        self.name, self.seconds, self._step, self._touching, self._known = name, seconds, step, contacts, jacobians
        self._draw = initial if callable(initial) else lambda _: initial
        self.low, self.high = numbers(low, "low").reshape(-1), numbers(high, "high").reshape(-1)
        if self.low.shape != self.high.shape or not (self.low <= self.high).all():
            raise InvalidProblem(f"low is {self.low} and high {self.high}; give limits of every control, low first")
        self._size = positive(size, "size")
        self.contacts = 0
        self.reset(0)
        self.state_names = tuple(state_names or (f"state {k}" for k in range(self.state.size)))
        self.control_names = tuple(control_names or (f"control {k}" for k in range(self.low.size)))
        for what, names, count in (
            ("state_names", self.state_names, self.state.size),
            ("control_names", self.control_names, self.low.size),
        ):
            if len(names) != count:
                raise InvalidProblem(f"{what} has {len(names)} names, not {count}")
        self.method = "given" if jacobians else f"central differences, step {self._size:g}"
        self.about = dict(about or {})

    def reset(self, seed: int) -> None:
        """See `System`."""
        self.state = numbers(self._draw(np.random.default_rng(seed)), "initial").reshape(-1)
        self.contacts = 0

    @property
    def observation(self) -> Array:
        """The state."""
        return self.state

    def jacobians(self, control: Array) -> tuple[Array, Array]:
        """See `System`."""
        x, u = self.state, np.asarray(control, dtype=np.float64)
        if self._known is not None:
            by_state, by_control = (np.asarray(part, dtype=np.float64) for part in self._known(x, u))
            return by_state, by_control
        sizes = [self._size * np.maximum(1.0, np.abs(at)) for at in (x, u)]
        by_state = central_differences(lambda at: self._following(at, u), x, sizes[0])
        return by_state, central_differences(lambda at: self._following(x, at), u, sizes[1], self.low, self.high)

    def advance(self, control: Array) -> tuple[Array, bool]:
        """See `System`."""
        u = np.asarray(control, dtype=np.float64)
        self.contacts = 0 if self._touching is None else int(self._touching(self.state, u))
        self.state = self._following(self.state, u)
        return self.state, False

    def _following(self, state: Array, control: Array) -> Array:
        found = numbers(self._step(state.copy(), control.copy()), "what step returned").reshape(-1)
        if found.shape != state.shape or not np.isfinite(found).all():
            shown = f"{found.shape[0]} entries" if found.shape != state.shape else str(found)
            wanted = f"give {state.size} finite numbers"
            raise InvalidProblem(f"{self.name}: the step from {state} returned {shown}; {wanted}")
        return found
