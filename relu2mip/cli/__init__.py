"""The command line, one file a command; `relu2mip --help` imports neither numpy nor a solver."""

from __future__ import annotations


def main() -> None:
    """Run the command line (the entry point `relu2mip`)."""
    from relu2mip.cli.app import app

    app(prog_name="relu2mip")
