"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import relu2mip
from tests.conftest import ROOT

OPTIONAL = {
    "relu2mip.frontends.sparsify": "torch",
    "relu2mip.frontends.reinforcement": "stable_baselines3",
    "relu2mip.bounds.slope_ascent": "torch",
    "relu2mip.analysis.learned": "torch",
    "relu2mip.study.peers.gurobi_machinelearning": "gurobi_ml",
    "relu2mip.study.peers.omlt": "omlt",
    "relu2mip.study.peers.pyscipopt_ml": "pyscipopt_ml",
}


def modules() -> list[str]:
    """Every module of the package, by its files; those that need a package which is not installed are left out."""
    missing = tuple(name for name, needs in OPTIONAL.items() if importlib.util.find_spec(needs) is None)
    roots = {"relu2mip": "relu2mip", "frontends": "relu2mip.frontends", "backends": "relu2mip.backends"}
    found = [
        ".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(".__init__")
        for folder, package in roots.items()
        for path in (ROOT / folder).rglob("*.py")
    ]
    return sorted(name for name in found if not name.startswith(missing or ("nothing",)))


MODULES = modules()


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    source = Path(module.__file__ or "").read_text(encoding="utf-8")
    assert (result.attempted > 0) == (">>> " in source), "an example of the module is found by nobody"
    assert "doctest: +SKIP" not in source


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_first(name: str) -> None:
    """No import works only because another one came before it."""
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True)


def test_the_public_calls_have_examples() -> None:
    for name in ("compile", "solve", "embed", "Trajectory"):
        assert ">>>" in (getattr(relu2mip, name).__doc__ or ""), name
