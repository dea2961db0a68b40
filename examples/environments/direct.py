"""Fit few ReLUs to a contact task directly, and say how far each fit is off, in px: what a family has to beat.

    python examples/environments/direct.py push                      # the fits alone, minutes
    python examples/environments/direct.py push --epochs 80          # and trained on, as networks from scratch are

`hinges` are sums of hinges found one by one (`hinges.py`); `max-affine` are differences of maxima, one for each
principal component of the change, the ReLUs shared among them (`max_affine.py`). Both see what a network sees and are
fitted to one step; data, errors and columns are those of `family.py`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from environments.family import ROLLOUTS, SHOWN, TASKS, UNITS, Row, alone, row, simulations, table, training
from environments.hinges import Array, Hinges, fit_hinges
from environments.max_affine import MaxAffine, fit_max_affine
from relu2mip.frontends.sparsify import Linearisation, Member, Simulation, densenet, mlp, train

ROWS = 20_000
"""Rows that are fitted, at most."""

EXPLAINED = 0.99
"""Share of the variance of the change that the principal components have together."""


def rows(objective: Simulation) -> tuple[Array, Array]:
    """What a core sees and should give, in its units: (N, features), (N, targets)."""
    encoding, data = objective.encoding, objective.data
    seen = np.concatenate([data.state, data.control], axis=1).astype(np.float64)
    change = data.next_state.astype(np.float64) - data.state
    chosen = np.linspace(0, len(seen) - 1, min(len(seen), ROWS)).astype(int)
    known = 0.0 if encoding.past is None else encoding.past(seen[chosen])
    left = change[chosen] - known - encoding.out.bias
    return encoding.into(seen[chosen]), left @ np.linalg.pinv(encoding.out.weight).T


def hinges(objective: Simulation, units: Sequence[int], rng: np.random.Generator) -> list[nn.Module]:
    """Networks of one layer beside an affine map."""
    x, y = rows(objective)
    return [_one_layer(objective, fit) for fit in fit_hinges(x, y, units, rng)]


def _one_layer(objective: Simulation, fit: Hinges) -> nn.Module:
    network = densenet(objective, growth=len(fit.planes), layers=1)
    core: nn.Module = network.get_submodule("core")
    features = fit.planes.shape[1] - 1
    weight = np.hstack([fit.affine[:features].T, fit.heights.T])
    given = fit.planes[:, :-1], fit.planes[:, -1], weight, fit.affine[features]
    with torch.no_grad():
        for parameter, values in zip(core.parameters(), given, strict=True):
            parameter.copy_(torch.as_tensor(values))
    return network


class Maxima(nn.Module):
    """x -> out (f_1(x), f_2(x), ...), each f the difference of two maxima, whose ReLUs are written out.

    All maxima grow together, one function of each at a time; those of more functions stand first.
    """

    def __init__(self, fits: Sequence[MaxAffine], out: Array, mean: Array) -> None:
        super().__init__()
        sides = [(sign * column, part) for column, fit in zip(out.T, fits, strict=True)
                 for sign, part in ((1.0, fit.above), (-1.0, fit.below))]  # fmt: skip
        sides.sort(key=lambda side: -len(side[1]))
        stages = [np.array([part[k] for _, part in sides if len(part) > k]) for k in range(len(sides[0][1]))]
        self.stages = nn.ModuleList(_linear(stage[:, :-1], stage[:, -1]) for stage in stages)
        self.out = _linear(np.array([column for column, _ in sides]).T, mean)

    def forward(self, x: Tensor) -> Tensor:
        """The values, (B, targets)."""
        largest = self.stages[0](x)
        for stage in list(self.stages)[1:]:
            count = stage.out_features
            grown = largest[:, :count] + (stage(x) - largest[:, :count]).relu()
            largest = torch.cat([grown, largest[:, count:]], dim=-1)
        result: Tensor = self.out(largest)
        return result


def _linear(weight: Array, bias: Array) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight))
        layer.bias.copy_(torch.as_tensor(bias))
    return layer


def maxima(objective: Simulation, units: Sequence[int], rng: np.random.Generator) -> list[nn.Module]:
    """Networks of maxima, in increasing order."""
    x, y = rows(objective)
    mean = y.mean(axis=0)
    _, spread, components = np.linalg.svd(y - mean, full_matrices=False)
    share = np.cumsum(spread**2) / (spread**2).sum()
    count = int(np.searchsorted(share, EXPLAINED)) + 1
    out, values = components[:count].T, (y - mean) @ components[:count].T
    found = []
    for number in sorted(units):
        shares = [len(part) for part in np.array_split(np.arange(number), count)]
        fits = [fit_max_affine(x, values[:, k], shares[k], rng) for k in range(count)]
        network = mlp(objective, (1,))
        network.core = Maxima(fits, out, mean)
        found.append(network)
    return found


FITS: dict[str, Callable[[Simulation, Sequence[int], np.random.Generator], list[nn.Module]]] = {
    "hinges": hinges, "max-affine": maxima,
}  # fmt: skip


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Direct fits of few ReLUs to a contact task.")
    parser.add_argument("task", choices=tuple(TASKS))
    parser.add_argument("--fits", nargs="+", choices=tuple(FITS), default=list(FITS))
    parser.add_argument("--output", type=Path, help="of the rows of errors, JSON")
    parser.add_argument("--rollouts", type=int, help="of 20 steps to fit to")
    parser.add_argument("--held-out", type=int, default=500, help="rollouts to compare on")
    parser.add_argument("--units", type=int, nargs="+", default=UNITS)
    parser.add_argument("--epochs", type=int, default=0, help="of training after the fit, as in family.py; 0 for none")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args(given)
    name, units = arguments.task, sorted(arguments.units, reverse=True)
    found: list[Row] = []
    for seed in arguments.seeds:
        objective, tests = simulations(name, arguments.rollouts or ROLLOUTS[name], arguments.held_out, seed)
        for kind in arguments.fits:
            begun = perf_counter()
            networks = FITS[kind](objective, units, np.random.default_rng(seed))[::-1]
            for count, network in zip(units, networks, strict=True):
                found.append(row(kind, seed, Member(count, count, network.eval(), {}), tests))
            print(f"{kind}, seed {seed}: {perf_counter() - begun:.0f} s", flush=True)
            if not arguments.epochs:
                continue
            schedule = alone(training((), arguments.epochs, 1.0, seed))
            for count, network in zip(units, networks, strict=True):
                (member,) = train(network, objective, schedule, Linearisation())
                found.append(row(f"{kind}, trained", seed, Member(count, member.relus, member.network, {}), tests))
            print(f"{kind}, trained, seed {seed}: {perf_counter() - begun:.0f} s", flush=True)
    print(f"errors with motion after {SHOWN} steps and at rest after 1, px")
    print("\n".join(table(found)))
    if arguments.output:
        arguments.output.write_text(json.dumps([asdict(one) for one in found]), encoding="utf-8")


if __name__ == "__main__":
    main()
