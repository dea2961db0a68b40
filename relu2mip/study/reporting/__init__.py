"""The report of a study: one page, figures for a paper, a table, and the trials as Parquet."""

from __future__ import annotations

from pathlib import Path

from relu2mip.errors import InvalidProblem
from relu2mip.study.frame import Frame
from relu2mip.study.store import Store


def write_report(store: str | Path | Store, path: str | Path) -> Path:
    """Write the report of a store as one HTML page; also while the study runs. The path.

    Raises `StoreError`, `InvalidProblem` where nothing has finished, `Relu2MipError` without the extra `study`.
    """
    return write_page(reported(store), path)


def write_page(frame: Frame, path: str | Path) -> Path:
    """Write the page of results that were read; the path."""
    from relu2mip.study.reporting.page import page

    Path(path).write_text(page(frame), encoding="utf-8")
    return Path(path)


def reported(store: str | Path | Store) -> Frame:
    """The results to report; raises `InvalidProblem` where there are none."""
    frame = Frame.load(store)
    if not any(row.result is not None for row in frame.rows):
        raise InvalidProblem("nothing has finished yet, so there is nothing to report; run the study first")
    return frame
