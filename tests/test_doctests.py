"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import importlib.util
import pkgutil
import subprocess
import sys

import pytest

import relu2mip

MODULES = sorted(m.name for m in pkgutil.walk_packages(relu2mip.__path__, "relu2mip.")) + [
    f"relu2mip.{part}" for part in ("frontends.onnx", "backends.protocol")
]
if importlib.util.find_spec("torch") is not None:
    import relu2mip.frontends.sparsify as sparsify

    MODULES += [m.name for m in pkgutil.walk_packages(sparsify.__path__, "relu2mip.frontends.sparsify.")]


@pytest.mark.parametrize("name", sorted(set(MODULES)))
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(MODULES)))
def test_every_module_imports_first(name: str) -> None:
    """No import works only because another one came before it."""
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True)


def test_the_public_calls_have_examples() -> None:
    for name in ("compile", "solve", "embed", "Trajectory"):
        assert ">>>" in (getattr(relu2mip, name).__doc__ or ""), name
