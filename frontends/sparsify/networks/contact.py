"""The contact network: objects that a hand pushes and that push one another, exactly still where nothing is in reach.

    h_i  = own(x_i - hand, u)                                 for every object
    e_ij = pair(x_j - x_i, x_i - hand, u, h_i)                for every ordered pair: i is pushed and touches j
    change of x_i = A h_i + sum_j (B e_ji + C e_ij)           no constants; C is how j pushes back
    the hand moves as is known

It is an interaction network (`interaction.py`) in relative positions, with a reach that holds by construction. All
hidden units read positions clipped to the reach, z = clip(x / reach, -1, 1), so that a pre-activation w z + b is at
most m, which follows from the weights. What lies beyond the reach is subtracted so steeply that it covers m:

    relu(w z + b - m / margin * sum over axes of (|x| / reach - 1)+)

So a unit is off from (1 + margin) reach on, along any axis, whatever was learned (for controls no larger than those of
the data); of a pair, where j is out of reach of i or i out of reach of the hand. Bounds prove it in every box out
there, and compiled programs have no such unit.

What lies beyond is two ReLUs for each axis of an object and one for each axis of a pair (pairs i, j and j, i share
them); no gate decides about these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.frontends.sparsify.affine import Affine
from relu2mip.frontends.sparsify.coordinates import Coordinates
from relu2mip.frontends.sparsify.networks.normalised import AffineMap
from relu2mip.frontends.sparsify.networks.objects import (
    Aggregate,
    Differences,
    FixedReLU,
    FromLast,
    Join,
    Opposites,
    Reactions,
    Senders,
    Split,
)
from relu2mip.frontends.sparsify.networks.seeded import seeded
from relu2mip.frontends.sparsify.objective import Objective
from relu2mip.frontends.sparsify.simulation import Simulation


class Reaching(nn.Module):
    """Dense layers (each reads the inputs and all layers before) of units that are off beyond a reach."""

    def __init__(self, inputs: int, controls: int, widths: Sequence[int], axes: int, margin: float) -> None:
        super().__init__()
        sizes = [inputs + sum(widths[:k]) for k in range(len(widths))]
        self.layers = nn.ModuleList(nn.Linear(size, width) for size, width in zip(sizes, widths, strict=True))
        self.controls = nn.ModuleList(nn.Linear(controls, width, bias=False) for width in widths)
        self.axes, self.margin = axes, margin

    def forward(self, x: Tensor, limits: Tensor, controls: Tensor, beyond: Tensor) -> tuple[Tensor, Tensor]:
        """All units, (..., sum of widths), and what each is at most.

        limits: what each entry of x is at most in magnitude; controls are at most 1.  beyond (..., axes): how far
        beyond the reach along each axis, in units of it.
        """
        units, most = [], []
        for layer, control in cast(
            "Iterator[tuple[nn.Linear, nn.Linear]]", zip(self.layers, self.controls, strict=True)
        ):
            weight, bias, of_control = layer.weight.detach(), layer.bias.detach(), control.weight.detach()
            highest = (torch.matmul(weight.abs(), limits) + of_control.abs().sum(1) + bias).clamp(min=0.0)
            steep = (highest / self.margin).unsqueeze(1).expand(-1, self.axes)
            h = (layer(x) + control(controls) - nn.functional.linear(beyond, steep)).relu()
            x, limits = torch.cat([x, h], dim=-1), torch.cat([limits, highest])
            units.append(h)
            most.append(highest)
        return torch.cat(units, dim=-1), torch.cat(most)


class Reach(nn.Module):
    """Positions (..., n) in units of a reach: clipped to it, and how far beyond it along each axis.

    below: what says of a position how far minus it is beyond; two ReLUs for each axis where it is not given.
    """

    def __init__(self, reach: float, below: nn.Module | None = None) -> None:
        super().__init__()
        self.reach, self.relu, self.below = reach, FixedReLU(), below

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both, (..., n) each."""
        z = x / self.reach
        above = self.relu(z - 1.0)
        below = self.relu(-z - 1.0) if self.below is None else self.below(above)
        return z - above + below, above + below


class ContactNetwork(nn.Module):
    """states (B, N n + n), controls (B, m) -> change of the state (B, N n + n): of N objects in R^n, then of a hand."""

    control_scale: Tensor
    output_scale: Tensor
    ones: Tensor

    def __init__(
        self,
        hand: Affine,
        control_scale: Tensor,
        output_scale: Tensor,
        reaches: tuple[float, float],
        widths: tuple[Sequence[int], Sequence[int]],
        margin: float,
    ) -> None:
        super().__init__()
        size, controls = len(output_scale), len(control_scale)
        own, pair = widths
        self.size, self.split, self.join = size, Split(size, others=1), Join()
        self.hand = AffineMap(hand)
        self.register_buffer("control_scale", control_scale)
        self.register_buffer("output_scale", output_scale)
        self.register_buffer("ones", torch.ones(size))
        self.from_hand, self.senders, self.differences = FromLast(), Senders(), Differences()
        self.received, self.reactions = Aggregate(), Reactions()
        self.to_hand, self.apart = Reach(reaches[0]), Reach(reaches[1], Opposites())
        self.own = Reaching(size, controls, own, size, margin)
        self.pair = Reaching(2 * size + sum(own), controls, pair, size, margin)
        self.of_own = nn.Linear(sum(own), size, bias=False)
        self.on_receiver, self.on_sender = (nn.Linear(sum(pair), size, bias=False) for _ in range(2))

    def forward(self, states: Tensor, controls: Tensor) -> Tensor:
        """The step in physical units."""
        x = self.from_hand(self.split(states))
        u = (controls / self.control_scale).unsqueeze(-2)
        near, beyond = self.to_hand(x)
        h, most = self.own(near, self.ones, u, beyond)
        apart, between = self.apart(self.differences(x))
        seen = torch.cat([apart, self.senders(near), self.senders(h)], dim=-1)
        e, _ = self.pair(seen, torch.cat([self.ones, self.ones, most]), u, between + self.senders(beyond))
        change = self.of_own(h) + self.received(self.on_receiver(e)) + self.reactions(self.on_sender(e))
        moved: Tensor = self.join(change * self.output_scale)
        return torch.cat([moved, self.hand(torch.cat([states[:, -self.size :], controls], dim=-1))], dim=-1)


def contact(
    objective: Objective,
    hand_reach: float,
    pair_reach: float,
    own: Sequence[int] = (16, 16),
    pair: Sequence[int] = (16, 16),
    margin: float = 0.25,
    seed: int = 0,
) -> ContactNetwork:
    """A contact network for a `Simulation` of objects and a hand, whose states come last and are known.

    hand_reach, pair_reach: how near along each axis the hand has to be to move an object in one step, and one object to
    move another.  own, pair: the widths of the layers of both functions.  margin: beyond (1 + margin) reach all is
    exactly still.

        >>> import numpy as np
        >>> from relu2mip.frontends.sparsify import Coordinates, Simulation, Transitions, contact
        >>> x, u = np.random.default_rng(0).uniform(-9, 9, (50, 6)), np.random.default_rng(1).uniform(-1, 1, (50, 2))
        >>> names = ["a_x", "a_y", "b_x", "b_y", "hand_x", "hand_y"]
        >>> data = Transitions.of(x, u, x + np.concatenate([0 * x[:, :4], u], axis=1), np.arange(50), names,
        ...                       ["push_x", "push_y"])
        >>> objective = Simulation(data, coordinates=Coordinates(known={"hand": "hand + push"}))
        >>> network = contact(objective, hand_reach=3.0, pair_reach=4.0)
        >>> far = torch.tensor([[-8.0, -8.0, 8.0, 8.0, 0.0, 0.0]])
        >>> network(far, torch.tensor([[0.5, 0.5]])).tolist()
        [[0.0, 0.0, 0.0, 0.0, 0.5, 0.5]]

    Raises `InvalidProblem` where the objective is another, there are fewer than two objects, or the last states are not
    all that is known, and `InvalidOption` for options out of range.
    """
    if min(hand_reach, pair_reach, margin) <= 0:
        raise InvalidOption("hand_reach, pair_reach and margin must be positive")
    if min((*own, *pair), default=0) < 1 or not own or not pair:
        raise InvalidOption(f"own is {list(own)} and pair {list(pair)}; give the width of each layer, at least 1")
    hand = _hand(objective)
    assert isinstance(objective, Simulation)
    size = len(hand.bias)
    data, still = objective.data, len(objective.data.state_names) - size
    change = (data.next_state - data.state)[:, :still].astype(np.float64)
    with seeded(seed):
        return ContactNetwork(
            hand,
            torch.as_tensor(np.abs(data.control).max(axis=0)),
            torch.as_tensor(np.sqrt((change.reshape(-1, size) ** 2).mean(axis=0)), dtype=torch.float32),
            (hand_reach, pair_reach),
            (own, pair),
            margin,
        )


def _hand(objective: Objective) -> Affine:
    """The change of the hand, of its position and the controls."""
    if not isinstance(objective, Simulation) or objective.window != 1 or objective.predicts != "change":
        raise InvalidProblem('a contact network predicts the change from one state; give a Simulation of "change"')
    given = objective.coordinates
    if given != Coordinates(known=given.known) or not given.known:
        raise InvalidProblem("a contact network sees relative positions; give coordinates.known of the hand, no others")
    known, rows, states = objective.maps.known, list(objective.maps.known_rows), len(objective.data.state_names)
    size = len(rows)
    objects, rest = divmod(states - size, size)
    if sorted(rows) != list(range(states - size, states)):
        raise InvalidProblem("coordinates.known has to be the position of the hand, which the states end with")
    if rest or objects < 2:
        raise InvalidProblem(f"{states} states are not two or more objects and a hand of {size} entries each")
    weight, bias = known.weight[np.argsort(rows)], known.bias[np.argsort(rows)]
    if weight[:, : states - size].any():
        raise InvalidProblem("coordinates.known: the hand moves by where objects are; it has to know controls alone")
    weight = weight[:, states - size :].copy()
    weight[:, :size] -= np.eye(size)
    return Affine(weight, bias)
