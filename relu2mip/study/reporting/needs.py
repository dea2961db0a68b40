"""What the extra `study` installs, asked for where it is needed."""

from __future__ import annotations

from importlib.util import find_spec

from relu2mip.errors import Relu2MipError


def need(package: str, extra: str = "study") -> None:
    """Raise `Relu2MipError` where a package is not installed."""
    if find_spec(package) is None:
        raise Relu2MipError(f'this needs {package}: install it with pip install "relu2mip[{extra}]"')
