"""Output files: complete or not there at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from relu2mip.errors import Relu2MipError


def check_output(path: Path | None, suffixes: tuple[str, ...] = ()) -> None:
    """Raise `Relu2MipError` before any work is done for a file that could not be written."""
    if path is None:
        return
    if suffixes and path.suffix not in suffixes:
        raise Relu2MipError(f"{path}: cannot write {path.suffix or 'no suffix'}; use {' or '.join(suffixes)}")
    if path.is_dir() or not path.parent.is_dir():
        why = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise Relu2MipError(f"{path}: {why}; name a file in a folder that exists")
    if not os.access(path.parent, os.W_OK):
        raise Relu2MipError(f"{path}: {path.parent} cannot be written to; choose another folder")


@contextlib.contextmanager
def complete(path: Path) -> Iterator[Path]:
    """The path to write to; what is written, side files included, moves to its place only if the block succeeds."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".relu2mip-") as folder:
        temporary = Path(folder) / path.name
        try:
            yield temporary
        except Relu2MipError as error:
            error.args = (str(error).replace(str(temporary), str(path)),)
            raise
        for written in Path(folder).iterdir():
            written.replace(path.parent / written.name)
