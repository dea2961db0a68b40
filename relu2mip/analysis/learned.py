"""Learned models beside the truth: do networks that predict well also know what depends on what?

Perceptrons of the change of state, trained on the same transitions in five ways:

    prediction     the mean squared error alone
    l1             and a weight times the mean of |∂f/∂(s, a)|
    matching       and a weight times the mean squared error of ∂f/∂(s, a), to the true ones
    gates          the mean squared error, with gates that leave few ReLUs (`relu2mip.frontends.sparsify`)
    scratch        the mean squared error, with as few ReLUs from the start

f is the network in its normalised coordinates. They are compared on rollouts that training has not seen: the error of
the prediction, and how they recover the pattern of the true Jacobians (`relu2mip.analysis.recovery`); `summarise` of
`relu2mip.analysis.comparison` has means over seeds. Needs the extra `torch`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from relu2mip.analysis.comparison import Learned
from relu2mip.analysis.jacobians import Rollouts
from relu2mip.analysis.recovery import recovery
from relu2mip.arrays import Array, Mask
from relu2mip.errors import InvalidData, InvalidOption, UnknownOption
from relu2mip.frontends.sparsify import GateFamily, Regression, Samples, Schedule, families, mlp, train
from relu2mip.options import parse, settle
from relu2mip.threads import one_thread

METHODS = "prediction", "l1", "matching", "gates", "scratch"

SCORED = 400
"""States at which Jacobians are compared, at most."""


@dataclass(frozen=True)
class LearnOptions:
    """How models are trained and compared.

    Raises `InvalidOption` for a value out of range, and `UnknownOption` for unknown gates.
    """

    hidden: tuple[int, ...] = (64, 64)
    epochs: Annotated[int, "Of training; gates take as many before and after units are fixed."] = 60
    batch: int = 256
    learning_rate: float = 3e-3
    l1_weight: Annotated[float, "Of the mean absolute Jacobian."] = 1e-2
    matching_weight: Annotated[float, "Of the mean squared error of Jacobians."] = 1.0
    gates: Annotated[str, "Gate family, one of those of the sparsifier."] = "gumbel"
    units: Annotated[tuple[int, ...], "ReLUs that gates leave, one model each, fewer and fewer."] = (32, 16, 8)
    threshold: Annotated[float, "Largest entry of a normalised Jacobian that counts as zero."] = 1e-3
    held_out: Annotated[float, "Share of rollouts kept for comparison."] = 0.2

    def __post_init__(self) -> None:
        settle(self)
        if self.epochs < 1 or self.batch < 1 or not self.learning_rate > 0:
            raise InvalidOption("epochs and batch must be at least 1, learning_rate above 0")
        if min(self.l1_weight, self.matching_weight, self.threshold) < 0 or not 0 < self.held_out < 1:
            raise InvalidOption("weights and threshold must be at least 0, held_out between 0 and 1")
        _ = self.family
        if not self.units or any(a <= b for a, b in pairwise((sum(self.hidden), *self.units, 0))):
            wanted = f"fewer and fewer, at least 1, fewer than the {sum(self.hidden)} of hidden"
            raise InvalidOption(f"units is {list(self.units)}; give {wanted}")

    @property
    def family(self) -> GateFamily:
        """The gate family that is named."""
        found = parse(self.gates, families, "gates")
        if len(found) != 1:
            raise InvalidOption(f"gates is {self.gates!r}; give one family")
        made: GateFamily = found[0]
        return made


def learn(
    rollouts: Rollouts,
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0,),
    options: LearnOptions | None = None,
) -> list[Learned]:
    """Train models on rollouts by each method and seed, and compare them with the truth on those held out.

    By "gates" and "scratch" there is one for each of the `units` of the options.

    Raises `UnknownOption` for an unknown method, `InvalidData` for fewer than two rollouts.
    """
    chosen = options or LearnOptions()
    if unknown := [method for method in methods if method not in METHODS]:
        raise UnknownOption("method", unknown[0], METHODS)
    if len(rollouts.states) < 2:
        raise InvalidData("comparing needs two rollouts at least: one to learn from, one to compare on")
    data = _Data.of(rollouts, chosen)
    return [one for method in methods for seed in seeds for one in _learned(data, method, seed, chosen)]


@dataclass(frozen=True, eq=False)
class _Data:
    """Inputs (N, k) and changes (N, n) to learn from, and Jacobians of the changes; the same to compare on.

    Columns that do not vary are left out.  true: normalised Jacobians of next states.  spread: of next states, inputs.
    """

    objective: Regression
    jacobians: Tensor
    inputs: Tensor
    changes: Array
    true: Array
    spread: tuple[Array, Array]
    place: tuple[Array, Array]

    @classmethod
    def of(cls, rollouts: Rollouts, options: LearnOptions) -> _Data:
        inputs = np.concatenate([rollouts.states, rollouts.controls], axis=-1)
        changes = rollouts.next_states - rollouts.states
        columns, outputs = (np.flatnonzero(_varies(part)) for part in (inputs, changes))
        held = max(1, round(options.held_out * len(inputs)))
        samples = Samples.of(_flat(inputs[:-held, :, columns]), _flat(changes[:-held, :, outputs]))
        objective = Regression(samples, validation=0.0)
        into, out = (units.scale.astype(np.float64) for units in (*objective.input_units, objective.output_units))
        by = rollouts.jacobians.copy()
        by[..., np.arange(by.shape[2]), np.arange(by.shape[2])] -= 1.0  # those of the change
        by = by[:, :, outputs][..., columns] * into / out[:, None]
        seen = slice(None, None, max(1, held * inputs.shape[1] // SCORED))
        spread = rollouts.spread
        return cls(
            objective=objective,
            jacobians=torch.as_tensor(by[:-held].reshape(-1, *by.shape[2:]), dtype=torch.float32),
            inputs=torch.as_tensor(_flat(inputs[-held:, :, columns])[seen], dtype=torch.float32),
            changes=_flat(changes[-held:, :, outputs])[seen],
            true=_flat(rollouts.normalised[-held:])[seen],
            spread=(spread[0][outputs], spread[1][columns]),
            place=(outputs.astype(np.float64), columns.astype(np.float64)),
        )


def _learned(data: _Data, method: str, seed: int, options: LearnOptions) -> list[Learned]:
    with one_thread():
        if method == "gates":
            schedule = Schedule(
                units=options.units,
                epochs=options.epochs,
                round_epochs=options.epochs // 2,
                finetune_epochs=options.epochs // 2,
                batch=options.batch,
                learning_rate=options.learning_rate,
                seed=seed,
            )
            network = mlp(data.objective, options.hidden, seed)
            members = train(network, data.objective, schedule, options.family)[1:]
            return [_compared(data, method, seed, m.units, m.relus, m.network, options) for m in members]
        if method == "scratch":
            return [_trained(data, method, seed, units, options) for units in options.units]
        return [_trained(data, method, seed, None, options)]


def _trained(data: _Data, method: str, seed: int, units: int | None, options: LearnOptions) -> Learned:
    """One model, of so many ReLUs in as many layers as there are hidden ones, of all where units is None."""
    layers = len(options.hidden)
    hidden = options.hidden if units is None else tuple(len(part) for part in np.array_split(np.arange(units), layers))
    network = mlp(data.objective, hidden, seed)
    extra = {"l1": _mean_absolute, "matching": _mean_squared}.get(method)
    weight = {"l1": options.l1_weight, "matching": options.matching_weight}.get(method, 0.0)
    _fit(network, data, weight, extra, options, seed)
    return _compared(data, method, seed, units, sum(hidden), network, options)


Extra = Callable[[Tensor, Tensor], Tensor]


def _mean_absolute(jacobian: Tensor, true: Tensor) -> Tensor:
    return jacobian.abs().mean()


def _mean_squared(jacobian: Tensor, true: Tensor) -> Tensor:
    return (jacobian - true).square().mean()


def _fit(network: Any, data: _Data, weight: float, extra: Extra | None, options: LearnOptions, seed: int) -> None:
    (inputs,) = data.objective.inputs()
    optimiser = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    steps = options.epochs * max(1, len(inputs) // options.batch)
    fading = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=options.learning_rate / 100)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        index = torch.as_tensor(rng.integers(0, len(inputs), options.batch))
        loss = data.objective.loss(network, index)
        if extra is not None and weight:
            jacobian = core_jacobian(network.core, network.into(inputs[index]))
            loss = loss + weight * extra(jacobian, data.jacobians[index])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        fading.step()


def core_jacobian(core: nn.Sequential, z: Tensor) -> Tensor:
    """The Jacobians (B, outputs, inputs) of linear layers and ReLUs at inputs (B, inputs), which train weights."""
    jacobian: Tensor | None = None
    for layer in core:
        z = layer(z)
        if isinstance(layer, nn.Linear):
            jacobian = layer.weight.expand(len(z), -1, -1) if jacobian is None else layer.weight @ jacobian
        else:
            assert jacobian is not None
            jacobian = jacobian * (z > 0)[..., None]
    assert jacobian is not None
    return jacobian


def _compared(
    data: _Data, method: str, seed: int, units: int | None, relus: int, network: nn.Module, options: LearnOptions
) -> Learned:
    x = data.inputs.clone().requires_grad_()
    predicted = network(x)
    rows = [torch.autograd.grad(predicted[:, k].sum(), x, retain_graph=True)[0] for k in range(predicted.shape[1])]
    outputs, columns = (place.astype(np.intp) for place in data.place)
    found = np.zeros_like(data.true)
    found[:, np.arange(found.shape[1]), np.arange(found.shape[1])] = 1.0  # a state keeps what does not change
    spread_out, spread_in = data.spread
    slopes = torch.stack(rows, dim=1).numpy().astype(np.float64) * spread_in / spread_out[:, None]
    same = outputs[:, None] == columns
    slopes = slopes + same * spread_in / spread_out[:, None]
    found[:, outputs[:, None], columns] = slopes
    size = data.changes.std(axis=0)
    wrong = (predicted.detach().numpy() - data.changes) / np.where(size > 0, size, 1.0)
    error = float(np.sqrt((wrong**2).mean()))
    return Learned(method, seed, units, relus, error, recovery(found, data.true, options.threshold))


def _flat(part: Array) -> Array:
    return part.reshape(-1, *part.shape[2:])


def _varies(part: Array) -> Mask:
    flat = _flat(part)
    return np.asarray(flat.std(axis=0) > 1e-6 * np.abs(flat).max(axis=0))
