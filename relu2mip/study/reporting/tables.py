"""The tables of a report: arms, failures, and every trial with its filters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from relu2mip.study.frame import Frame, Row
from relu2mip.study.outcome import FAILURES, Outcome
from relu2mip.study.reporting.figures import root_gap
from relu2mip.study.statistics import Estimate, plain_mean, shifted_mean
from relu2mip.study.trial import AXES


@dataclass(frozen=True)
class ArmRow:
    """What there is to say of an arm.

    all_settled: its time on the pairs that every arm settled, None where there are none.
    """

    label: str
    trials: int
    outcomes: Counter[str]
    time: Estimate
    ratio: Estimate | None
    primal: Estimate
    dual: Estimate
    all_settled: Estimate | None
    nodes: float
    baseline: bool


def arm_rows(frame: Frame) -> list[ArmRow]:
    """One for each arm."""
    primal, dual = frame.primal, frame.dual
    nodes = frame.matrix(lambda row: row.number("nodes") if row.settled else math.nan)
    common = ~frame.censored.any(axis=0) & ~np.isnan(frame.seconds).any(axis=0)
    outcomes = [Counter[str]() for _ in frame.arms]
    for k, row in zip(frame.where[0].tolist(), frame.rows, strict=True):
        outcomes[k][row.outcome] += 1
    baselines = set(frame.partners) - {None}
    none = np.zeros(common.sum(), dtype=bool)
    return [
        ArmRow(
            label=label,
            trials=sum(outcomes[k].values()),
            outcomes=outcomes[k],
            time=shifted_mean(frame.seconds[k], frame.censored[k], frame.clusters),
            ratio=frame.against_baseline(k),
            primal=plain_mean(primal[k], frame.clusters),
            dual=plain_mean(dual[k], frame.clusters),
            all_settled=shifted_mean(frame.seconds[k][common], none, frame.clusters[common]) if none.size else None,
            nodes=float(np.nanmedian(nodes[k])) if not np.isnan(nodes[k]).all() else math.nan,
            baseline=k in baselines,
        )
        for k, label in enumerate(frame.labels)
    ]


ARM_COLUMNS = (
    *("arm", "trials", "settled", "plan", "no plan", "failed", "refused", "seconds", "times faster"),
    *("primal integral", "dual integral", "seconds, settled by all", "median nodes"),
)


def arm_cells(rows: Sequence[ArmRow]) -> list[list[str]]:
    """The same as text, for `ARM_COLUMNS`; a mark says that a mean holds limits."""
    return [
        [
            f"{row.label}{' (baseline)' if row.baseline else ''}",
            str(row.trials),
            str(row.outcomes[Outcome.SOLVED] + row.outcomes[Outcome.INFEASIBLE]),
            str(row.outcomes[Outcome.PLAN]),
            str(row.outcomes[Outcome.NO_PLAN]),
            str(sum(row.outcomes[outcome] for outcome in FAILURES)),
            str(row.outcomes[Outcome.REFUSED]),
            _estimate(row.time),
            _estimate(row.ratio),
            _estimate(row.primal),
            _estimate(row.dual),
            _estimate(row.all_settled),
            "" if math.isnan(row.nodes) else f"{row.nodes:.0f}",
        ]
        for row in rows
    ]


def _estimate(e: Estimate | None) -> str:
    return "–" if e is None else str(e)


@dataclass
class Column:
    """A column of the table of trials; values of text are numbers into `words`."""

    name: str
    words: list[str] | None = None
    values: list[Any] = field(default_factory=list)
    filter: bool = False


NUMBERS = ("seconds", "objective", "bound", "gap", "nodes", "binaries", "rows", "nonzeros", "peak_memory")


def trial_columns(frame: Frame) -> list[Column]:
    """Every trial that has a result, column by column."""
    rows = [row for row in frame.rows if row.result is not None]
    axes = [name for name in AXES if any(arm.axes[name] for arm in frame.arms)]
    made = [
        _words("problem", [row.trial.instance.problem for row in rows]),
        _words("network", [row.trial.instance.network for row in rows]),
        _words("cost", [row.trial.instance.cost for row in rows]),
        *(_words(axis, [row.trial.arm.axes[axis] for row in rows]) for axis in axes),
        _words("outcome", [row.outcome for row in rows]),
        _words("horizon", [str(row.trial.instance.horizon) for row in rows]),
        _words("state", [str(row.trial.instance.initial_state) for row in rows]),
        _words("limit s", [f"{row.trial.instance.time_limit:g}" for row in rows]),
        _words("seed", [str(row.trial.seed) for row in rows]),
        _words("ReLUs", [str(row.trial.instance.relus) for row in rows]),
        *(Column(_named(name), values=[_plain(row.number(name) * _scale(name)) for row in rows]) for name in NUMBERS),
        Column("root gap", values=[_plain(root_gap(frame, row)) for row in rows]),
        _words("message", [_short(row) for row in rows], filtered=False),
    ]
    return [column for column in made if column.words is None or column.words != [""]]


def _named(name: str) -> str:
    return {"peak_memory": "memory MB"}.get(name, name)


def _scale(name: str) -> float:
    return 1e-6 if name == "peak_memory" else 1.0


def _words(name: str, values: list[str], filtered: bool = True) -> Column:
    words = sorted(set(values), key=lambda text: (not text.replace(".", "").isdigit(), _number(text), text))
    where = {word: k for k, word in enumerate(words)}
    return Column(name, words, [where[value] for value in values], filtered and len(words) > 1)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _plain(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _short(row: Row) -> str:
    message = str((row.result or {}).get("message") or "")
    return message if len(message) <= 160 else message[:157] + "..."
