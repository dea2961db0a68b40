"""The documentation is true: its Python runs, and what it says is printed is printed.

Every ```python block of a page runs, in order, in one namespace, in a folder with the example files; a ```text block
right after one is what it prints ("..." stands for anything). So do the commands of the page on the command line.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import textwrap
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip import errors
from relu2mip.cli import app as cli
from relu2mip.registry import bound_methods, formulations
from tests.conftest import ROOT
from tests.registries import restored_registries  # noqa: F401

DOCS = ROOT / "docs"
EXAMPLE_FILES = ["dynamics.onnx", "problem.toml"]
OPTIONAL = ["cvxpy", "gurobipy", "matplotlib", "torch"]
FENCE = r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```\n"
OUTPUT = r"(?:\n+(?P=indent)```text\n(?P<printed>.*?)^(?P=indent)```$)?"
COMMANDS = re.compile(r"^```console\n(?P<code>.*?)^```\n\n```text\n(?P<printed>.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(FENCE + OUTPUT, re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """The pages with Python in them."""
    files = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in files if BLOCK.search(path.read_text())]


@pytest.mark.usefixtures("restored_registries")
@pytest.mark.parametrize("page", pages())
def test_the_python_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / page).read_text()
    blocks = list(BLOCK.finditer(text))
    for package in OPTIONAL:
        absent = importlib.util.find_spec(package) is None and not os.environ.get("RELU2MIP_REQUIRE_BACKENDS")
        if absent and any(package in block["code"] for block in blocks):
            pytest.skip(f"{package} is not installed")
    for name in EXAMPLE_FILES:
        shutil.copy(ROOT / "examples" / "cartpole" / name, tmp_path)
    rng = np.random.default_rng(0)
    transitions = {
        "state": rng.uniform(-1, 1, (500, 4)) * [1.5, 3.0, 0.5, 3.5],
        "control": rng.uniform(-1, 1, (500, 1)),
    }
    np.savez(tmp_path / "transitions.npz", **transitions)
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page", "r2m": r2m, "np": np}
    for block in blocks:
        line = text[: block.start()].count("\n") + 1
        source = textwrap.dedent(block["code"])
        code = compile("\n" * line + source, page, "exec", dont_inherit=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        if block["printed"] is not None:
            assert_prints(printed.getvalue(), textwrap.dedent(block["printed"]), f"{page}:{line}")


def test_the_commands_of_the_command_line_page_run(tmp_path: Path) -> None:
    for package in ("matplotlib", "gymnasium"):
        pytest.importorskip(package)
    page = DOCS / "guide" / "command-line.md"
    text = page.read_text()
    blocks = list(COMMANDS.finditer(text))
    assert len(blocks) == text.count("```console")
    commands = [re.findall(r"^relu2mip (\w+)", block["code"], re.MULTILINE) for block in blocks]
    assert {command for found in commands for command in found} == {*cli.COMMANDS, "rl"}
    for name in EXAMPLE_FILES:
        shutil.copy(ROOT / "examples" / "cartpole" / name, tmp_path)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in blocks:
        line = text[: block.start()].count("\n") + 1
        shell = subprocess.run(
            ["bash", "-c", block["code"]],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        # What takes longer than two seconds says how far it is: on this machine, not on every one.
        printed = re.sub(r"^(\d+ s: |study: \d).*\n", "", shell.stdout, flags=re.MULTILINE)
        assert_prints(printed, block["printed"], f"{page.name}:{line}")


def assert_prints(printed: str, shown: str, where: str) -> None:
    """Compare what a block prints with what its page shows, spaces and "..." apart."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(shown, printed, flags), f"{where} prints\n{printed}not\n{shown}"


def test_a_wrong_listing_is_noticed() -> None:
    assert_prints("a  1.25\n", "a 1...\n", "here")
    with pytest.raises(AssertionError, match="here prints"):
        assert_prints("a 2\n", "a 3\n", "here")


@pytest.mark.parametrize("page", pages())
def test_no_block_of_python_is_left_out(page: str) -> None:
    text = (ROOT / page).read_text()
    assert len(re.findall(r"^ *```(?:python|py|pycon)\b", text, re.MULTILINE)) == len(list(BLOCK.finditer(text)))


def test_the_reference_lists_every_public_name() -> None:
    rows = re.findall(r"^\| (`r2m\.[^|]+)\|", (DOCS / "api.md").read_text(), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`r2m\.([\w.]+)", row)}
    public = set(r2m.__all__) - {"analysis", "bounds", "costs", "errors", "formulations", "study"}
    public |= {f"costs.{name}" for name in ("L1", "LInf", "Quadratic", "Network", "Soft", "Cost")}
    public |= {f"bounds.{part.__name__}" for part in bound_methods.values() if hasattr(r2m.bounds, part.__name__)}
    public |= {f"formulations.{part.__name__}" for part in formulations.values()}
    assert listed == public
    for name in sorted(listed):
        assert attrgetter(name)(r2m) is not None


def test_every_error_has_its_remedy_on_the_troubleshooting_page() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.Relu2MipError) and value is not errors.Relu2MipError
    }
    headings = set(re.findall(r"^### `(\w+)`", (DOCS / "guide" / "troubleshooting.md").read_text(), re.MULTILINE))
    assert headings == classes


@pytest.mark.parametrize("family", ["bounds", "formulations"])
def test_every_registered_part_has_a_page(family: str) -> None:
    registry = {"bounds": bound_methods, "formulations": formulations}[family]
    missing = [name for name in registry if not (DOCS / family / f"{name}.md").is_file()]
    assert missing == [], f"write docs/{family}/NAME.md and list it in mkdocs.yml"
