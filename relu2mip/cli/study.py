"""`relu2mip study`: run a study, or what is missing of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu2mip.cli.arguments import Debug, Json
from relu2mip.cli.console import facts, message, show, show_json, stderr
from relu2mip.cli.study_status import duration

if TYPE_CHECKING:
    from relu2mip.study import Store, Study
    from relu2mip.study.runner import Listener, Summary

LINES = 5.0
"""Seconds between two lines in a pipe."""


def study(
    spec: Annotated[Path, typer.Argument(help="A study (TOML).", show_default=False)],
    store: Annotated[
        Path | None, typer.Option(help="Where results go, by default the spec's name with .db.", show_default=False)
    ] = None,
    engine: Annotated[str, typer.Option(help='"processes" of this machine, "dask" or "mpi".')] = "processes",
    scheduler: Annotated[
        str | None, typer.Option(help="Address of the Dask scheduler: tcp://HOST:8786.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Trials at once, by default as many as processors.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, and say how much it is.", show_default=False)
    ] = False,
    merge: Annotated[
        list[Path] | None, typer.Option(help="Take over what finished in another store of it.", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run the trials of a study that its store lacks: networks, problems and axes are those of the spec.

    Everything is checked before anything runs. Ctrl-C ends it, and the same command goes on from there; `status` says
    how far it is, `report` what it found.

    Examples:
      relu2mip study study.toml --dry-run
      relu2mip study study.toml --workers 2
      relu2mip study study.toml --engine dask --scheduler tcp://10.0.0.1:8786
    """
    from relu2mip.runtime.engines import usable_processors
    from relu2mip.study import Store, Study

    asked = Study.from_toml(spec)
    place = store if store is not None else spec.with_suffix(".db")
    asked.trials  # noqa: B018 - checks everything
    if merge:
        with Store.create(place, asked.name, asked.about) as opened:
            opened.plan(asked.trials)
            for path in merge:
                with Store.open(path) as other:
                    message(f"{opened.merge(other)} results taken over from {path}")
    if dry_run:
        at_once = workers or max(1, usable_processors() // asked.limits.threads)
        with Store.open(place) if place.exists() else contextlib.nullcontext() as known:
            figures = size(asked, known, at_once)
        show_json(figures) if json else show(facts({name: v for name, v in figures.items() if v is not None}))
        return
    with _watched(asked.name) as watch:
        summary = asked.run(place, engine, workers=workers, scheduler=scheduler, watch=watch)
    _finish(summary, place, json)


def size(asked: Study, known: Store | None, workers: int) -> dict[str, Any]:
    """How large a study is, and how long it takes.

    At most: every trial takes its whole limit. Expected: what finished in the store took so long; without any, unknown.
    """
    results = known.results() if known is not None else {}
    left = [trial for trial in asked.trials if trial.key not in results]
    spent = [found["wall_seconds"] for found in results.values() if found["wall_seconds"] is not None]
    most = sum(trial.instance.time_limit for trial in left) / workers
    expected = len(left) * sum(spent) / len(spent) / workers if spent else None
    return {
        "study": asked.name,
        "question": asked.question or None,
        "instances": len(asked.instances),
        "arms": len(asked.arms),
        "seeds": len(asked.axes.seed),
        "trials": len(asked.trials),
        "finished": len(asked.trials) - len(left),
        "left out": "; ".join(asked.left_out) or None,
        "workers": workers,
        "at most": f"{duration(most)}, if every trial takes its whole time limit",
        "expected": f"{duration(expected)}, at the mean of the {len(spent)} that finished" if expected else None,
    }


def _finish(summary: Summary, place: Path, json: bool) -> None:
    """Say how a run ended."""
    ran = summary.finished - summary.begun_with
    if json:
        show_json(
            {
                "trials": summary.trials,
                "finished": summary.finished,
                "ran": ran,
                "failed": summary.failed,
                "interrupted": summary.interrupted,
                "outcomes": summary.outcomes,
                "seconds": summary.seconds,
            }
        )
    else:
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(summary.outcomes.items()))
        said = f"{summary.finished} of {summary.trials} trials finished, {ran} of them now"
        show(f"{said} in {duration(summary.seconds)}{': ' + outcomes if outcomes else ''}")
    if summary.interrupted:
        message("interrupted; the same command goes on from here")
        raise typer.Exit(130)
    message(f"wrote {place}; what it found: relu2mip report {place}")


@contextlib.contextmanager
def _watched(name: str) -> Iterator[Listener]:
    """A bar on a terminal, lines in a pipe: done, failed, rate, time left, and the last trial."""
    console = stderr()
    if not console.is_terminal:
        yield _Lines(name)
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}")
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None, said="")

        def tell(summary: Summary, trial: Any, result: Any) -> None:
            last = f"  {result['outcome']}: {trial.arm}" if trial is not None else ""
            bar.update(task, total=summary.trials, completed=summary.finished, said=said(summary) + last)

        yield tell


def said(summary: Summary) -> str:
    """How far a run is, in a line."""
    parts = [f"{summary.finished} of {summary.trials}"]
    if summary.failed:
        parts.append(f"{summary.failed} failed")
    if summary.finished > summary.begun_with:
        parts += [f"{60 * summary.rate:.3g} a minute", f"{duration(summary.seconds_left)} left"]
    return ", ".join(parts)


class _Lines:
    """A line every few seconds."""

    def __init__(self, name: str) -> None:
        self.name, self.told = name, time.monotonic()

    def __call__(self, summary: Summary, trial: Any, result: Any) -> None:
        if trial is None or time.monotonic() - self.told >= LINES:
            message(f"{self.name}: {said(summary)}")
            self.told = time.monotonic()
