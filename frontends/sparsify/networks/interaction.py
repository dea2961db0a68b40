"""The interaction network: dynamics of a set of objects by shared functions of objects and of pairs.

    e_ij = edge(x_i, x_j)                       for every ordered pair of different objects
    change of x_j = node(x_j, sum_i e_ij, u)    for every object

Weights are shared over objects and pairs, and so are gates. Gathering and summing are products with constant matrices,
made for the number of objects of the input: a network trained on some objects runs, and is exported, for any number.

Source: Battaglia et al., Interaction Networks for Learning about Objects, Relations and Physics, NeurIPS 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidProblem
from relu2mip.frontends.sparsify.coordinates import Coordinates
from relu2mip.frontends.sparsify.networks.mlp import layers
from relu2mip.frontends.sparsify.networks.normalised import Normalisation
from relu2mip.frontends.sparsify.networks.objects import Aggregate, Join, Receivers, Senders, Split
from relu2mip.frontends.sparsify.networks.seeded import seeded
from relu2mip.frontends.sparsify.objective import Objective, Units


class InteractionNetwork(nn.Module):
    """states (B, window N n), controls (B, window m) -> change (B, N n), for any number N of objects with n features.

    A state holds the features of the first object, then those of the second, and so on.
    """

    def __init__(
        self, units: tuple[Units, Units, Units], window: int, edge: Sequence[int], node: Sequence[int]
    ) -> None:
        super().__init__()
        features, controls, outputs = (unit.offset.size for unit in units)
        self.split, self.join = Split(features // window, window), Join()
        self.states, self.controls, self.output = (Normalisation(unit) for unit in units)
        self.senders, self.receivers, self.aggregate = Senders(), Receivers(), Aggregate()
        self.edge = layers(2 * features, edge)
        self.node_in = nn.Linear(features + edge[-1], node[0])
        self.control_in = nn.Linear(controls, node[0], bias=False)
        rest = layers(node[0], node[1:], outputs) if len(node) > 1 else [nn.Linear(node[0], outputs)]
        self.node = nn.Sequential(nn.ReLU(), *rest)

    def forward(self, states: Tensor, controls: Tensor) -> Tensor:
        """The step in physical units."""
        x = self.states.into(self.split(states))
        u = self.controls.into(controls.unsqueeze(-2))
        messages = self.edge(torch.cat([self.senders(x), self.receivers(x)], dim=-1))
        seen = torch.cat([x, self.aggregate(messages)], dim=-1)
        change = self.node(self.node_in(seen) + self.control_in(u))
        joined: Tensor = self.join(self.output.out(change))
        return joined


def interaction(
    objective: Objective,
    features: int,
    edge: Sequence[int] = (32,),
    node: Sequence[int] = (32,),
    seed: int = 0,
) -> InteractionNetwork:
    """An interaction network for a `Simulation` of objects with so many features each.

    edge, node: the widths of the hidden layers of both functions; the last of `edge` is the size of a message.

    Raises `InvalidProblem` where the states are no whole number of objects, or there are fewer than two, or the
    objective has coordinates: objects are seen as they are.
    """
    if len(objective.input_units) != 2:
        raise InvalidProblem("an interaction network has states and controls; give a Simulation")
    if getattr(objective, "coordinates", Coordinates()) != Coordinates():
        raise InvalidProblem("an interaction network sees objects as they are; leave out coordinates, or take an mlp")
    states, controls = objective.input_units
    outputs = objective.output_units
    size = outputs.offset.size
    objects, rest = divmod(size, max(features, 1))
    if rest or objects < 2:
        raise InvalidProblem(f"states of {size} entries are not two or more objects of {features} features each")
    window = states.offset.size // size
    shared = (
        _shared(states, window, objects, features),
        controls,
        _shared(outputs, 1, objects, features),
    )
    with seeded(seed):
        return InteractionNetwork(shared, window, edge, node)


def _shared(units: Units, window: int, objects: int, features: int) -> Units:
    """The units of all objects together: the mean, and the spread about it."""
    offset = units.offset.reshape(window, objects, features).astype(np.float64)
    scale = units.scale.reshape(window, objects, features).astype(np.float64)
    mean = offset.mean(axis=1)
    spread = np.sqrt((scale**2 + (offset - mean[:, None]) ** 2).mean(axis=1))
    return Units(mean.reshape(-1).astype(np.float32), spread.reshape(-1).astype(np.float32))
