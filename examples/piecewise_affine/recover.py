"""Train a network with 576 ReLUs down to 2, and see whether they are the right ones.

    python examples/piecewise_affine/recover.py                           # one seed: some minutes, and the picture
    python examples/piecewise_affine/recover.py --seeds 0 1 2 --methods gates --output rows.jsonl

The functions have four affine pieces between two borders, and two ReLUs can say them (functions.py). A network with
four hidden layers of 144 ReLUs sees 1,600 samples. Seven rounds leave 25 ReLUs, then 12, 8, 6, 4, 3 and 2. Beside it
stands channel pruning with the same rounds and epochs: from the same network, and from one hidden layer of 576 ReLUs,
because it takes out units and keeps the depth: with fewer units than layers it is left with a constant. The method
"gates, no trials" shows what the probabilities of the gates find by themselves.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from functions import FUNCTIONS, Array, PiecewiseAffine, grid

from relu2mip.frontends.sparsify import ChannelPruning, GateFamily, Gumbel, Regression, Samples, Schedule, mlp, train

UNITS = (25, 12, 8, 6, 4, 3, 2)
SAMPLES = 1600
SCHEDULE = Schedule(units=UNITS, epochs=60, round_epochs=40, finetune_epochs=5, polish=50)
GATES = Gumbel(penalty_weight=1e-2, limit=6.0, trial_units=12, trial_iterations=60)
METHODS: dict[str, tuple[GateFamily, tuple[int, ...]]] = {
    "gates": (GATES, (144,) * 4),
    "channel pruning": (ChannelPruning(), (144,) * 4),
    "channel pruning, one layer": (ChannelPruning(), (576,)),
    "gates, no trials": (replace(GATES, trial_iterations=0), (144,) * 4),
}
SHOWN = tuple(METHODS)[:3]
SAME = 0.01
"""Two pieces are the same where values differ by less than this share of the range, gradients of the largest."""


@dataclass(frozen=True)
class Recovery:
    """What is left of a network in the end, on a grid over the square.

    error: the largest, as a share of the range.  pieces: the share of the points whose piece, that is value and
    gradient, is the right one.  values (N,), gradients (N, 2): of the network on the grid.
    """

    function: str
    method: str
    seed: int
    relus: int
    error: float
    pieces: float
    seconds: float
    values: Array = field(repr=False)
    gradients: Array = field(repr=False)

    def row(self) -> dict[str, object]:
        """Everything but the grid."""
        return {name: value for name, value in asdict(self).items() if name not in ("values", "gradients")}


def recover(
    function: PiecewiseAffine,
    method: str,
    seed: int,
    schedule: Schedule = SCHEDULE,
    count: int = SAMPLES,
    hidden: Sequence[int] | None = None,
    side: int = 200,
) -> Recovery:
    """Train on samples of a function, with everything random from the seed, and compare what is left."""
    family, layers = METHODS[method]
    start = perf_counter()
    objective = Regression(Samples.of(*function.samples(count, seed)), seed=seed)
    network = mlp(objective, hidden or layers, seed=seed)
    member = train(network, objective, replace(schedule, seed=seed), family)[-1]
    seconds = perf_counter() - start
    points = grid(side)
    values, gradients = evaluated(member.network, points)
    true = function(points)
    span = np.ptp(true)
    slopes = np.asarray(function.gradients)[function.piece(points)]
    wrong = np.abs(values - true) / span
    turned = np.linalg.norm(gradients - slopes, axis=1) / np.linalg.norm(slopes, axis=1).max()
    right = float(((wrong < SAME) & (turned < SAME)).mean())
    return Recovery(function.name, method, seed, member.relus, float(wrong.max()), right, seconds, values, gradients)


def evaluated(network: torch.nn.Module, points: Array) -> tuple[Array, Array]:
    """Values (N,) and gradients (N, 2) of a network."""
    x = torch.tensor(points, dtype=torch.float32, requires_grad=True)
    values = network(x)
    (gradients,) = torch.autograd.grad(values.sum(), x)
    return values.detach().numpy()[:, 0].astype(np.float64), gradients.numpy().astype(np.float64)


def draw(recoveries: Sequence[Recovery], path: Path) -> None:
    """The pieces, one colour for each gradient, and the error over the plane."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.colors import LogNorm

    names = list(dict.fromkeys(r.function for r in recoveries))
    methods = list(dict.fromkeys(r.method for r in recoveries))
    columns = 1 + 2 * len(methods)
    figure, panels = plt.subplots(
        len(names), columns, figsize=(2.2 * columns, 2.4 * len(names)), layout="constrained", squeeze=False
    )
    side = round(len(recoveries[0].values) ** 0.5)
    points = grid(side)
    place = {"origin": "lower", "extent": (-1, 1, -1, 1), "interpolation": "nearest"}
    errors = None
    for axes, name in zip(panels, names, strict=True):
        function = FUNCTIONS[name]
        true = function(points)
        slopes = np.asarray(function.gradients)
        low, high = slopes.min(axis=0) - 0.2, slopes.max(axis=0) + 0.2
        axes[0].imshow(_coloured(slopes[function.piece(points)], low, high, side), **place)
        axes[0].set_title(f"{name}: true pieces", fontsize=8)
        for k, method in enumerate(methods):
            (found,) = (r for r in recoveries if (r.function, r.method) == (name, method))
            pieces, error = axes[1 + 2 * k : 3 + 2 * k]
            pieces.imshow(_coloured(found.gradients, low, high, side), **place)
            pieces.set_title(f"{method}: {found.relus} ReLUs", fontsize=7)
            share = np.abs(found.values - true) / np.ptp(true)
            shares = np.maximum(share, 1e-5).reshape(side, side).T
            errors = error.imshow(shares, norm=LogNorm(1e-5, 1), cmap="magma_r", **place)
            error.set_title(f"error, at most {share.max():.2g}", fontsize=8)
    for panel in panels.flat:
        panel.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        panel.tick_params(labelsize=6)
    bar = figure.colorbar(errors, ax=panels, shrink=0.7, label="error, share of the range")
    bar.ax.tick_params(labelsize=6)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _coloured(gradients: Array, low: Array, high: Array, side: int) -> Array:
    """Gradients (side², 2) as colours (side, side, 3): red for the slope along x, blue for that along y."""
    share = np.clip((gradients - low) / (high - low), 0, 1)
    colours = np.stack([share[:, 0], 0.35 + 0.3 * share.mean(axis=1), share[:, 1]], axis=1)
    return colours.reshape(side, side, 3).transpose(1, 0, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Recover the affine pieces of two functions with 2 ReLUs.")
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=SHOWN)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--output", type=Path, help="a row of JSON for each network is appended to this file")
    parser.add_argument("--picture", type=Path, default=Path("piecewise_affine.png"), help="of the first seed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    first = []
    print("function   method                       seed  ReLUs  largest error  right pieces  seconds")
    for seed in arguments.seeds:
        for name in arguments.functions:
            for method in arguments.methods:
                found = recover(FUNCTIONS[name], method, seed)
                print(
                    f"{name:9}  {method:27}  {seed:4}  {found.relus:5}  {found.error:13.3%}  {found.pieces:12.2%}  "
                    f"{found.seconds:7.1f}",
                    flush=True,
                )
                if arguments.output is not None:
                    with arguments.output.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(found.row()) + "\n")
                if seed == arguments.seeds[0]:
                    first.append(found)
    draw(first, arguments.picture)
    print(f"picture: {arguments.picture}")


if __name__ == "__main__":
    main()
