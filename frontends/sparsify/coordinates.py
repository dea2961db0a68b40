"""The coordinates that a network sees and predicts in, and what of the next state is known without learning.

All three are affine maps, so they are part of the graph, vanish in its layers when it is exported, and cost no unit:

    features   z = F (x, u) + f      what the network sees, instead of the states x and controls u themselves
    targets    y = T x + t           whose change (or next value) it predicts, instead of that of the states
    known      x'_k = K (x, u) + k   entries of the next state that are given exactly

Outside of the network everything stays in physical states: data, errors, plans, sets and costs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from relu2mip.errors import InvalidOption
from relu2mip.frontends.sparsify.affine import Affine, Doubles, Encoding
from relu2mip.frontends.sparsify.expressions import Expression, expressions, named
from relu2mip.frontends.sparsify.objective import Units


@dataclass(frozen=True)
class Coordinates:
    """Affine coordinates of learned dynamics, as expressions of the names of states and controls.

    features: what the network sees; all states and controls where not given.  targets: functions of the state in whose
    change (or next value) it predicts; all states that are not known where not given.  known: entries of the next state
    by name, each as an expression of the states and controls before.

    A point stands for its components: "key_0 - pusher" is "key_0_x - pusher_x" and "key_0_y - pusher_y", where the
    names are such. Over a window of past states the features are those of each state in it.

        >>> pushing = Coordinates(features=("key_0 - hand", "push"), known={"hand": "hand + push"})
        >>> maps = pushing.maps(["key_0_x", "key_0_y", "hand_x", "hand_y"], ["push_x", "push_y"])
        >>> maps.feature_names
        ('key_0_x - hand_x', 'key_0_y - hand_y', 'push_x', 'push_y')
        >>> maps.target_names
        ('key_0_x', 'key_0_y')
    """

    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("features", "targets"):
            given = getattr(self, name)
            if isinstance(given, str) or not all(isinstance(text, str) for text in given):
                raise InvalidOption(f"coordinates.{name} is {given!r}; give a list of expressions")
            object.__setattr__(self, name, tuple(given))
        if not isinstance(self.known, Mapping) or not all(isinstance(text, str) for text in self.known.values()):
            raise InvalidOption(f"coordinates.known is {self.known!r}; give an expression for each name of a state")
        object.__setattr__(self, "known", dict(self.known))

    def maps(self, states: Sequence[str], controls: Sequence[str]) -> CoordinateMaps:
        """The maps for states and controls of these names.

        Raises `UnknownOption` for names that do not exist, and `InvalidOption` for expressions that are not affine,
        features and targets that are constant, and targets that with what is known do not determine the next state.
        """
        names = (*states, *controls)
        if self != Coordinates() and len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InvalidOption(f"coordinates: {twice} is the name of two columns; give each its own")
        known = self._known(states, names)
        learned = [k for k, name in enumerate(states) if name not in known]
        if not learned:
            raise InvalidOption("coordinates.known has every state; leave out at least one, to be learned")
        features, feature_names = _rows(self.features, names, range(len(names)), "coordinates.features")
        targets, target_names = _rows(self.targets, states, learned, "coordinates.targets")
        rows = [states.index(name) for name in known]
        return CoordinateMaps(
            features,
            targets,
            _stacked(known.values(), len(names)),
            _inverse(targets, rows, states),
            rows,
            learned,
            feature_names,
            target_names,
        )

    def _known(self, states: Sequence[str], names: Sequence[str]) -> dict[str, Expression]:
        found: dict[str, Expression] = {}
        for name, text in self.known.items():
            where = f"coordinates.known.{name}"
            wanted = [states[row] for row in named([name], states, "coordinates.known")]
            given = {f"{name}_{e.component}" if e.component else name: e for e in expressions(text, names, where)}
            if sorted(given) != sorted(wanted):
                raise InvalidOption(f"{where} is {text!r}, which gives {', '.join(given)}, not {', '.join(wanted)}")
            if twice := sorted(set(found) & set(given)):
                raise InvalidOption(f"coordinates.known gives {twice[0]} twice; leave out one")
            found |= given
        return found


@dataclass(frozen=True, eq=False)
class CoordinateMaps:
    """The maps of `Coordinates` for n states and m controls.

    features: of a state and control, n + m columns.  targets: of a state.  known: of a state and control, one row for
    each of `known_rows`, the numbers of the states that are known.  learned: those of the others.
    inverse (n, targets + known): what targets (without their constants) and known states say about each state.
    """

    features: Affine
    targets: Affine
    known: Affine
    inverse: Doubles
    known_rows: Sequence[int]
    learned: Sequence[int]
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]

    def encoding(self, window: int, change: bool, features: Units, targets: Units) -> Encoding:
        """The maps around the core of a network that reads a window of states and then one of controls.

        change: whether it predicts the change of the targets, not their next values.  features, targets: the units of
        what the core sees and of what it predicts.
        """
        of_targets, of_known = np.split(self.inverse, [len(self.targets.bias)], axis=1)
        offset = targets.offset if change else targets.offset - self.targets.bias
        into = self._windowed(self.features, np.eye(window)).divided(features.offset, features.scale)
        out = Affine(of_targets * targets.scale, of_targets @ offset)
        if not self.known_rows:
            return Encoding(into, out)
        known = self.known.weight.copy()
        if change:
            known[range(len(known)), list(self.known_rows)] -= 1.0
        past = Affine(of_known @ known, of_known @ self.known.bias)
        return Encoding(into, out, self._windowed(past, np.eye(window)[-1:]))

    def _windowed(self, affine: Affine, picks: Doubles) -> Affine:
        """A map of a state and control, on all states and then all controls of a window: once for each row of picks."""
        n = len(self.inverse)
        blocks = [np.kron(picks, part) for part in np.split(affine.weight, [n], axis=1)]
        return Affine(np.concatenate(blocks, axis=1), np.tile(affine.bias, len(picks)))


def _rows(
    texts: Sequence[str], names: Sequence[str], otherwise: Sequence[int], where: str
) -> tuple[Affine, tuple[str, ...]]:
    """The map that the texts say, and its rows as texts; where there are none, some of the names themselves."""
    if not texts:
        return Affine.identity(len(names), otherwise), tuple(names[k] for k in otherwise)
    found = [e for k, text in enumerate(texts) for e in expressions(text, names, f"{where}[{k}]")]
    for expression in found:
        if not expression.weight.any():
            raise InvalidOption(f"{where}: {expression.text!r} is the same everywhere; leave it out")
    return _stacked(found, len(names)), tuple(expression.text for expression in found)


def _stacked(rows: Collection[Expression], columns: int) -> Affine:
    weights = [row.weight for row in rows]
    return Affine(np.array(weights).reshape(-1, columns), np.array([row.bias for row in rows]))


def _inverse(targets: Affine, known: Sequence[int], states: Sequence[str]) -> Doubles:
    """The inverse of the map from states to targets and known states."""
    rows = np.concatenate([targets.weight, np.eye(len(states))[list(known)]])
    free = np.linalg.svd(rows)[2][np.linalg.matrix_rank(rows) :]
    if len(free):
        undetermined = [name for name, share in zip(states, np.abs(free).max(axis=0), strict=True) if share > 1e-9]
        raise InvalidOption(
            f"coordinates: targets and known do not determine {', '.join(undetermined)}; add to the targets"
        )
    if surplus := len(rows) - len(states):
        raise InvalidOption(
            f"coordinates: {len(targets.weight)} targets and {len(known)} known states say the {len(states)} states "
            f"more than once; leave out {surplus} of the targets"
        )
    return np.linalg.inv(rows)
