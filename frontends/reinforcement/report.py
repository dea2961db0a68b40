"""What an experiment found: scores and parameters of its arms over seeds, and how they came about."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.errors import InvalidOption
from relu2mip.frontends.reinforcement.experiment import Experiment
from relu2mip.frontends.reinforcement.training import RECORDS

LAST = 0.2
"""The share of the steps, the last ones, over which scores are averaged."""
CONFIDENCE = 0.95
DASHES = ("solid", "dashed", "dotted", "dashdot")

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """An arm over its finished seeds.

    score: mean over seeds of the mean score over the last fifth of the steps.  interval: half the width of its 95 %
    confidence interval (Student's t), NaN for one seed.  deployed, trained: parameters at the end, means.
    deployed_ratio, trained_ratio: dR and tR, to those of the reference; NaN where it has not finished.
    """

    arm: str
    seeds: int
    score: float
    interval: float
    deployed: float
    trained: float
    deployed_ratio: float
    trained_ratio: float


def read_records(experiment: Experiment) -> dict[str, dict[int, Records]]:
    """The records of every run so far, by arm and seed."""
    found: dict[str, dict[int, Records]] = {}
    for arm, seed in experiment.chosen():
        file = experiment.run(arm, seed) / RECORDS
        if file.exists():
            found.setdefault(arm, {})[seed] = json.loads(file.read_text(encoding="utf-8"))
    if not found:
        raise InvalidOption(f"{experiment.folder} has no run; train first: relu2mip rl train")
    return found


def report(experiment: Experiment) -> list[Row]:
    """A row for each arm with a finished run, in the order of the experiment.

    Raises `InvalidOption` where nothing has been trained.
    """
    finished = {
        arm: {seed: records for seed, records in runs.items() if records and records[-1]["step"] >= experiment.steps}
        for arm, runs in read_records(experiment).items()
    }
    sizes = {
        arm: [np.mean([records[-1][what] for records in runs.values()]) for what in ("deployed", "trained")]
        for arm, runs in finished.items()
        if runs
    }
    base = sizes.get(experiment.reference, [math.nan, math.nan])
    rows = []
    for arm, (deployed, trained) in sizes.items():
        scores = [last_score(records, experiment.steps) for records in finished[arm].values()]
        ratios = float(deployed / base[0]), float(trained / base[1])
        mean, half = float(np.mean(scores)), _half_interval(scores)
        rows.append(Row(arm, len(scores), mean, half, float(deployed), float(trained), *ratios))
    return rows


def last_score(records: Records, steps: int) -> float:
    """The mean score of the evaluations in the last fifth of the steps."""
    return float(np.mean([one["score"] for one in records if one["step"] > (1 - LAST) * steps]))


def draw(experiment: Experiment, path: Path) -> None:
    """Learning curves and deployed parameters over time, and below the units of every layer of each pruned arm.

    Means over seeds; the bands have all of them.
    """
    import matplotlib.pyplot as plt

    found = read_records(experiment)
    pruned = [arm for arm in found if experiment.arms[arm].pruning is not None]
    figure = plt.figure(figsize=(9.0, 7.0 if pruned else 3.6), layout="constrained")
    rows = figure.subfigures(2 if pruned else 1, 1, squeeze=False)[:, 0]
    curves, sizes = rows[0].subplots(1, 2)
    for arm, runs in found.items():
        _line(curves, runs, lambda one: one["score"], label=arm)
        _line(sizes, runs, lambda one: one["deployed"], label=arm)
    curves.set_title(experiment.environment)
    curves.set_ylabel("return, deterministic policy")
    sizes.set_ylabel("deployed parameters")
    sizes.set_yscale("log")
    sizes.legend(fontsize="small")
    if pruned:
        _draw_layers(rows[1].subplots(1, len(pruned), sharey=True, squeeze=False)[0], found, pruned)
    figure.savefig(path)
    plt.close(figure)


def _draw_layers(axes: Any, found: dict[str, dict[int, Records]], arms: list[str]) -> None:
    """A panel for each arm: a colour for each network, a dash for each of its layers."""
    for axis, arm in zip(axes, arms, strict=True):
        layers = next(iter(found[arm].values()))[0]["layers"]
        for color, (network, widths) in enumerate(layers.items()):
            for k in range(len(widths)):
                style = {"color": f"C{color}", "linestyle": DASHES[k % len(DASHES)], "label": f"{network}, {k + 1}"}
                _line(axis, found[arm], partial(_units, network, k), **style)
        axis.set_title(arm)
        axis.set_yscale("symlog", linthresh=1)
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("units")
    handles, labels = axes[-1].get_legend_handles_labels()
    axes[-1].figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize="small")


def _units(network: str, layer: int, record: dict[str, Any]) -> float:
    return float(record["layers"][network][layer])


def _line(axis: Any, runs: dict[int, Records], value: Callable[[dict[str, Any]], float], **style: Any) -> None:
    """The mean over seeds, as far as all have come, and the band of all of them."""
    common = min(len(records) for records in runs.values())
    steps = [one["step"] for one in next(iter(runs.values()))[:common]]
    values = np.array([[value(one) for one in records[:common]] for records in runs.values()])
    (line,) = axis.plot(steps, values.mean(axis=0), **style)
    axis.fill_between(steps, values.min(axis=0), values.max(axis=0), alpha=0.15, color=line.get_color())
    axis.set_xlabel("environment steps")
    axis.locator_params("x", nbins=5)


def _half_interval(scores: list[float]) -> float:
    from scipy.stats import t

    if len(scores) < 2:
        return math.nan
    quantile = t.ppf((1 + CONFIDENCE) / 2, len(scores) - 1)
    return float(quantile * np.std(scores, ddof=1) / math.sqrt(len(scores)))
