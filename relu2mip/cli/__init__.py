"""The command line, one file a command; `relu2mip --help` imports neither numpy nor a solver."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """Run the command line (the entry point `relu2mip`)."""
    from relu2mip.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        # Names may hold what the terminal's encoding lacks; that is no reason to lose a plan.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="relu2mip")
    except SystemExit as end:
        supervise = sys.modules.get("relu2mip.mip.supervise")
        if supervise is None or not supervise.left_to_themselves():
            raise
        # A solver that does not stop would be torn down in the middle of its work, or keep the prompt waiting.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
