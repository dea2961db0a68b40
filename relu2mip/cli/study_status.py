"""`relu2mip status`: how far a study is, also while it runs."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu2mip.cli.arguments import Debug, Json
from relu2mip.cli.console import facts, show, show_json, table

if TYPE_CHECKING:
    from relu2mip.study import Store

LATELY = 600.0
"""Seconds whose trials say how fast it is."""

StorePath = Annotated[Path, typer.Argument(help="The store of a study (.db).", show_default=False)]


def status(store: StorePath, json: Json = False, debug: Debug = False) -> None:
    """Say how far a study is: finished, failed, how fast, how long it will take, and the same for each arm.

    Examples:
      relu2mip status study.db
      watch relu2mip status study.db
    """
    from relu2mip.study import Store

    with Store.open(store) as opened:
        found = progress_of(opened)
    if json:
        show_json(found)
        return
    arms = found.pop("arms")
    found["outcomes"] = ", ".join(f"{count} {name}" for name, count in found["outcomes"].items()) or None
    show(facts({name: value for name, value in found.items() if value is not None}))
    columns = ["arm", "trials", "finished", "solved", "failed", "mean s"]
    show(table(columns, [[row[name] for name in columns] for row in arms], left=["arm"]))


def progress_of(store: Store) -> dict[str, Any]:
    """How far a study is, as plain values."""
    from relu2mip.study.outcome import FAILURES, Outcome

    meta, results = store.meta, store.results()
    trials, arms = Counter[str](), dict[str, list[dict[str, Any]]]()
    done = []
    for key, trial in store.trials():
        trials[str(trial.arm)] += 1
        if (result := results.get(key)) is not None:
            arms.setdefault(str(trial.arm), []).append(result)
            done.append(result)
    total = sum(trials.values())
    ended = sorted(r["started"] + r["wall_seconds"] for r in done if r["started"] is not None)
    lately = [at for at in ended if at > time.time() - LATELY]
    rate = len(lately) / max(1.0, time.time() - lately[0]) if len(lately) > 1 and len(done) < total else 0.0
    return {
        "study": meta["name"],
        "question": meta["question"] or None,
        "trials": total,
        "finished": len(done),
        "failed": sum(r["outcome"] in FAILURES for r in done),
        "outcomes": dict(Counter(r["outcome"] for r in done)),
        "last result": f"{duration(time.time() - ended[-1])} ago" if ended else None,
        "rate": f"{60 * rate:.3g} a minute" if rate else None,
        "left": duration((total - len(done)) / rate) if rate and total > len(done) else None,
        "arms": [
            {
                "arm": arm,
                "trials": count,
                "finished": len(found := arms.get(arm, [])),
                "solved": sum(r["outcome"] == Outcome.SOLVED for r in found),
                "failed": sum(r["outcome"] in FAILURES for r in found),
                "mean s": sum(s) / len(s) if (s := [r["seconds"] for r in found if r["seconds"] is not None]) else None,
            }
            for arm, count in trials.items()
        ],
    }


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(75), duration(3 * 3600 + 120), duration(0.4)
    ('1 min 15 s', '3 h 2 min', '0 s')
    """
    if seconds == float("inf"):
        return "unknown"
    whole = round(seconds)
    for name, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // part} {smaller}"
    return f"{whole} s"
