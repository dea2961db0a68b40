"""Who is told how training goes: nobody, progress bars, TensorBoard, or anything with the same methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relu2mip.errors import BackendUnavailable
from relu2mip.frontends.sparsify.member import Member


class Watch:
    """Is told of every phase, epoch and member; does nothing by itself."""

    def phase(self, name: str, epochs: int) -> None:
        """A phase of so many epochs starts."""

    def epoch(self, error: float, penalty: float) -> None:
        """An epoch ended with this mean error and penalty."""

    def member(self, member: Member) -> None:
        """A member of the family is there."""

    def close(self) -> None:
        """Training ended or was interrupted."""


def bars(shown: str) -> Any:
    """Bars on standard error (a `rich.progress.Progress`), with fields of a task beside each as `shown` says."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    what, beside = TextColumn("{task.description}"), TextColumn(shown)
    return Progress(
        what, BarColumn(), MofNCompleteColumn(), beside, TimeRemainingColumn(), console=Console(stderr=True)
    )


class ProgressBars(Watch):
    """One bar a phase on standard error, with the error beside it (rich)."""

    def __init__(self) -> None:
        self._bars = bars("error {task.fields[error]:.2e}")
        self._task: Any = None

    def phase(self, name: str, epochs: int) -> None:
        """Start a bar."""
        self._bars.start()
        self._task = self._bars.add_task(name, total=epochs, error=float("nan"))

    def epoch(self, error: float, penalty: float) -> None:
        """Advance it."""
        self._bars.update(self._task, advance=1, error=error)

    def close(self) -> None:
        """Leave the bars as they are."""
        self._bars.stop()


class TensorBoard(Watch):
    """Error and penalty by epoch, and the validation errors of members, as TensorBoard events in a folder.

    Raises `BackendUnavailable` where the package tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise BackendUnavailable("TensorBoard is not installed; pip install tensorboard") from error
        self._writer: Any = SummaryWriter(str(folder))
        self._epoch = 0

    def epoch(self, error: float, penalty: float) -> None:
        """Write both."""
        self._epoch += 1
        self._writer.add_scalar("error", error, self._epoch)
        self._writer.add_scalar("penalty", penalty, self._epoch)

    def member(self, member: Member) -> None:
        """Write its errors over its number of ReLUs."""
        for what, error in member.errors.items():
            self._writer.add_scalar(f"validation/{what}", error, member.relus)

    def close(self) -> None:
        """Write the rest."""
        self._writer.close()
