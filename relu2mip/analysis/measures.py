"""How sparse Jacobians are: over all states, at each, depending on the state, and in time.

Of Jacobians J[k] at samples k, an entry (i, j) is *zero* at k where |J[k, i, j]| <= threshold. By default J is in units
of the spreads of data (`Rollouts.normalised`), so that the threshold is a share of an output's spread and means the
same for every system; with `normalise` false it is in the system's own units.

    global sparsity        the share of entries that are zero at every sample
    local sparsity         the share of entries that are zero at a sample; its mean and quantiles over samples
    state dependence       the share of entries that are zero at some samples and not at others
    changes                how many entries of a step change between zero and not zero from the step before
    run length             how many steps an entry stays as it is, the mean over runs, ends of rollouts included
    clustering             mean changes where the number of contacts changes, less mean changes elsewhere

All but clustering are also there for dimensions (rows and columns of J) and blocks of them: the share of their entries
that are zero, at a sample and at all, of those that depend on the state, and of those that change in a step.

Whether changes cluster at contacts more than by chance is asked of a permutation test: the series of contacts of each
rollout is shifted in time by a random number of steps, around its end, which keeps what either series is by itself. The
p-value is (1 + shifts with a clustering at least as large) / (1 + shifts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np

from relu2mip.analysis.jacobians import Rollouts
from relu2mip.arrays import Array, Mask
from relu2mip.errors import InvalidOption
from relu2mip.options import settle

THRESHOLDS = tuple(float(f"{t:.3g}") for t in np.logspace(-8, 0, 17))
"""Those of the sensitivity."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class MeasureOptions:
    """How zero an entry must be, and how clustering is tested."""

    threshold: Annotated[float, "Largest absolute value of an entry that counts as zero."] = 1e-3
    normalise: Annotated[bool, "Measure in units of the spreads of states and controls."] = True
    permutations: Annotated[int, "Random shifts of the permutation test."] = 999
    seed: Annotated[int, "Seed of the shifts."] = 0

    def __post_init__(self) -> None:
        settle(self)
        if not 0 <= self.threshold < np.inf:
            raise InvalidOption(f"threshold is {self.threshold:g}; give a finite number, at least 0")
        if self.permutations < 1 or self.seed < 0:
            raise InvalidOption("permutations must be at least 1, seed at least 0")


class Block(NamedTuple):
    """Shares of the entries of a part of J.

    local: zero at a sample, mean.  everywhere: zero at all.  state_dependent: zero at some and not at others.
    changes: changing between zero and not zero in a step, mean.
    """

    local: float
    everywhere: float
    state_dependent: float
    changes: float


@dataclass(frozen=True, eq=False)
class Measures:
    """What the module's text defines, for R rollouts of T steps.

    local_sparsity, changes: (R, T), changes 0 where an episode begins.  zero_share: the share of samples at which each
    entry is zero, (n, n + m); change_share: of steps, beginnings of episodes left out, in which it changes.
    by_output, by_input: of rows and of columns.  blocks: of pairs of blocks, outputs first.
    clustering, p_value: NaN where contacts never change.
    sensitivity: (thresholds, 3): global sparsity, mean local sparsity and state dependence by `thresholds`.
    """

    options: MeasureOptions
    global_sparsity: float
    local_sparsity: Array
    state_dependence: float
    changes: Array
    run_length: float
    clustering: float
    p_value: float
    zero_share: Array
    change_share: Array
    by_output: tuple[Block, ...]
    by_input: tuple[Block, ...]
    blocks: Mapping[tuple[str, str], Block]
    thresholds: tuple[float, ...]
    sensitivity: Array

    def to_dict(self) -> dict[str, Any]:
        """Plain values: scalars, quantiles of distributions, rows and columns."""
        return {
            "threshold": self.options.threshold,
            "normalised": self.options.normalise,
            "global_sparsity": self.global_sparsity,
            "local_sparsity": float(self.local_sparsity.mean()),
            "local_sparsity_quantiles": {f"{q:g}": float(np.quantile(self.local_sparsity, q)) for q in QUANTILES},
            "state_dependence": self.state_dependence,
            "changes": float(self.changes.mean()),
            "run_length": self.run_length,
            "clustering": self.clustering,
            "p_value": self.p_value,
            "by_output": [block._asdict() for block in self.by_output],
            "by_input": [block._asdict() for block in self.by_input],
            "blocks": {f"{a} by {b}": block._asdict() for (a, b), block in self.blocks.items()},
        }


def measure(
    rollouts: Rollouts, options: MeasureOptions | None = None, blocks: Mapping[str, Sequence[str]] | None = None
) -> Measures:
    """The measures of rollouts.

    blocks: names of states and controls by block; by default states and controls.

    Raises `InvalidOption` for a threshold out of range, and for a block that names what there is not.

    >>> import numpy as np
    >>> from relu2mip.analysis import StepFunction, jacobians
    >>> def step(x, u):  # the second state is pushed only where the first is above 0
    ...     return [x[0] + 0.3 * u[0], x[1] + max(x[0], 0.0)]
    >>> runs = jacobians(StepFunction(step, [0.0, 0.0], [-1.0], [1.0]), rollouts=5, steps=40)
    >>> found = measure(runs)
    >>> round(found.global_sparsity, 3), round(found.state_dependence, 3)
    (0.333, 0.167)
    """
    chosen = options or MeasureOptions()
    sizes = np.abs(rollouts.normalised if chosen.normalise else rollouts.jacobians)
    zero = sizes <= chosen.threshold
    flat = zero.reshape(-1, *zero.shape[2:])
    changed = _changed(zero, rollouts.begins)
    changes = changed.sum(axis=(2, 3)).astype(np.float64)
    zero_share = flat.mean(axis=0)
    change_share = changed.sum(axis=(0, 1)) / max(1, int((~rollouts.begins).sum()))
    clustering, p_value = _clustering(changes, rollouts, chosen)
    return Measures(
        options=chosen,
        global_sparsity=float(flat.all(axis=0).mean()),
        local_sparsity=zero.mean(axis=(2, 3)),
        state_dependence=float((flat.any(axis=0) & ~flat.all(axis=0)).mean()),
        changes=changes,
        run_length=_run_length(changed, rollouts.begins),
        clustering=clustering,
        p_value=p_value,
        zero_share=zero_share,
        change_share=change_share,
        by_output=tuple(_block(*rows) for rows in zip(zero_share, change_share, strict=True)),
        by_input=tuple(_block(*columns) for columns in zip(zero_share.T, change_share.T, strict=True)),
        blocks=_blocks(zero_share, change_share, rollouts, blocks),
        thresholds=THRESHOLDS,
        sensitivity=_sensitivity(sizes.reshape(-1, *zero.shape[2:])),
    )


def _changed(zero: Mask, begins: Mask) -> Mask:
    """Which entries have changed since the step before, none where an episode begins."""
    found = np.zeros(zero.shape, dtype=bool)
    found[:, 1:] = zero[:, 1:] != zero[:, :-1]
    return found & ~begins[..., None, None]


def _run_length(changed: Mask, begins: Mask) -> float:
    """All samples of all entries, by the number of runs."""
    first = begins.copy()
    first[:, 0] = True
    runs = int(changed.sum()) + int(first.sum()) * int(np.prod(changed.shape[2:]))
    return float(changed.size / runs)


def _clustering(changes: Array, rollouts: Rollouts, options: MeasureOptions) -> tuple[float, float]:
    """The clustering of changes where the number of contacts changes, and its p-value."""
    at = np.zeros(changes.shape, dtype=bool)
    at[:, 1:] = rollouts.contacts[:, 1:] != rollouts.contacts[:, :-1]
    if at.all() or not at.any():
        return float("nan"), float("nan")

    def difference(where: Mask) -> float:
        return float(changes[where].mean() - changes[~where].mean())

    rng, steps = np.random.default_rng(options.seed), changes.shape[1]
    found, more = difference(at), 0
    for _ in range(options.permutations):
        shift = rng.integers(0, steps, len(at))[:, None]
        more += difference(np.take_along_axis(at, (np.arange(steps) + shift) % steps, axis=1)) >= found
    return found, (1 + more) / (1 + options.permutations)


def _block(zero_share: Array, change_share: Array) -> Block:
    always = zero_share == 1
    return Block(
        local=float(zero_share.mean()),
        everywhere=float(always.mean()),
        state_dependent=float(((zero_share > 0) & ~always).mean()),
        changes=float(change_share.mean()),
    )


def _blocks(
    zero_share: Array, change_share: Array, rollouts: Rollouts, given: Mapping[str, Sequence[str]] | None
) -> dict[tuple[str, str], Block]:
    named = given or {"state": rollouts.state_names, "control": rollouts.control_names}
    names = rollouts.input_names
    if missing := [name for members in named.values() for name in members if name not in names]:
        raise InvalidOption(f"blocks: there is no state or control {missing[0]!r}; there are {', '.join(names)}")
    places = {block: [names.index(name) for name in members] for block, members in named.items()}
    found = {}
    for a, rows in places.items():
        outputs = [row for row in rows if row < len(zero_share)]
        for b, columns in places.items():
            if outputs and columns:
                part = np.ix_(outputs, columns)
                found[a, b] = _block(zero_share[part], change_share[part])
    return found


def _sensitivity(sizes: Array) -> Array:
    rows = []
    for threshold in THRESHOLDS:
        zero = sizes <= threshold
        everywhere, somewhere = zero.all(axis=0), zero.any(axis=0)
        rows.append((everywhere.mean(), zero.mean(), (somewhere & ~everywhere).mean()))
    return np.array(rows)
