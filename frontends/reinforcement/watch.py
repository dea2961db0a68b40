"""Who is told how training goes: nobody, progress bars, or anything with the same methods."""

from __future__ import annotations

from typing import Any

from relu2mip.frontends.sparsify.watch import bars


class Watch:
    """Is told of every run and every evaluation; does nothing by itself."""

    def start(self, arm: str, seed: int, steps: int, done: int) -> None:
        """A run of so many steps starts, or goes on after those that are done."""

    def record(self, record: dict[str, Any]) -> None:
        """An evaluation: the record that goes to records.json."""

    def close(self) -> None:
        """Training ended or was interrupted."""


class ProgressBars(Watch):
    """One bar a run on standard error, with score and deployed parameters beside it (rich)."""

    def __init__(self) -> None:
        self._bars = bars("score {task.fields[score]:.1f}, {task.fields[deployed]} parameters")
        self._task: Any = None

    def start(self, arm: str, seed: int, steps: int, done: int) -> None:
        """Start a bar."""
        self._bars.start()
        what = f"{arm}, seed {seed}"
        self._task = self._bars.add_task(what, total=steps, completed=done, score=float("nan"), deployed=0)

    def record(self, record: dict[str, Any]) -> None:
        """Advance it."""
        shown = {name: record[name] for name in ("score", "deployed")}
        self._bars.update(self._task, completed=record["step"], **shown)

    def close(self) -> None:
        """Leave the bars as they are."""
        self._bars.stop()
