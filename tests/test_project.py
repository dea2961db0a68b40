"""The project itself: what is installed, under which names, with which versions, and by which commands."""

import importlib.metadata
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT, installed_backends

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SOURCE_FOLDERS = {"relu2mip": "relu2mip", "frontends": "relu2mip.frontends", "backends": "relu2mip.backends"}
BUILD_FILES = ["pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"]


def package_folders() -> dict[str, Path]:
    """Each folder with Python files below the three source folders, by the name of the package that it is."""
    return {
        ".".join([package, *path.relative_to(ROOT / folder).parts]): path
        for folder, package in SOURCE_FOLDERS.items()
        for path in [ROOT / folder, *(ROOT / folder).rglob("*")]
        if path.is_dir() and any(path.glob("*.py"))
    }


@pytest.fixture(scope="module")
def source_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources that a build reads: a build finds and leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in BUILD_FILES:
        shutil.copy(ROOT / name, copy)
    for folder in SOURCE_FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def build_wheel(source: Path, destination: Path) -> Path:
    pip_wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip_wheel, "--wheel-dir", destination, source], check=True)
    (wheel,) = destination.glob("*.whl")
    return wheel


def python_files(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}


def test_every_package_is_listed():
    listed = PYPROJECT["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(package_folders()), "keep tool.setuptools.packages to the folders"


def test_every_package_has_an_init_file():
    assert [name for name, path in package_folders().items() if not (path / "__init__.py").is_file()] == []


def test_wheel_holds_every_module_inside_relu2mip(source_copy: Path, tmp_path: Path):
    wheel = build_wheel(source_copy, tmp_path)
    expected = {
        f"{package.replace('.', '/')}/{file.name}"
        for package, path in package_folders().items()
        for file in path.glob("*.py")
    }
    assert python_files(wheel) == expected
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"relu2mip", f"relu2mip-{PROJECT['version']}.dist-info"}
    assert "relu2mip/py.typed" in names


def test_source_distribution_builds_the_same_wheel(source_copy: Path, tmp_path: Path):
    build = "import sys, setuptools.build_meta as backend; backend.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=source_copy, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    from_archive = build_wheel(tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path / "from_archive")
    from_checkout = build_wheel(source_copy, tmp_path / "from_checkout")
    assert python_files(from_archive) == python_files(from_checkout)


@pytest.mark.parametrize("name", installed_backends())
def test_backend_entry_point_loads(name: str):
    target = PROJECT["entry-points"]["relu2mip.backends"][name]
    (entry,) = importlib.metadata.entry_points(group="relu2mip.backends", name=name)
    assert entry.value == target
    assert entry.load().__module__ == target.split(":")[0]


def test_import_loads_no_optional_or_heavy_package():
    heavy = PYPROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]
    script = f"import sys, relu2mip; print(*sorted(set({heavy!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert loaded.split() == []


def test_import_loads_one_module():
    """Everything else is imported when it is first used; numpy alone would take longer than the rest of a start."""
    script = "import sys; before = set(sys.modules); import relu2mip; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert [name for name in loaded if name.startswith("relu2mip")] == ["relu2mip"]
    assert len(loaded) < 10


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts on a package that is installed in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    command = [program, "--no-cache", ROOT / "pyproject.toml"]
    environment = {**os.environ, "PYTHONPATH": "."}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


UPWARD = {
    "a type": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from relu2mip.cli import main\n",
    "inside a function": "def late():\n    from relu2mip.pipeline.answer import Answer\n",
    "a solver": "def late():\n    import highspy\n",
    "torch": "def late():\n    import torch\n",
}


@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is a tool of development")
def test_an_import_upwards_fails_the_contracts(source_copy: Path, tmp_path: Path):
    installed = tmp_path / "relu2mip"
    shutil.copytree(source_copy / "relu2mip", installed)
    for folder in ("frontends", "backends"):
        shutil.copytree(source_copy / folder, installed / folder)
    assert lint_imports(tmp_path).returncode == 0
    place = installed / "normal_form" / "form.py"
    whole = place.read_text()
    for name, text in UPWARD.items():
        place.write_text(whole + text)
        broken = lint_imports(tmp_path)
        assert broken.returncode == 1, name
        assert "relu2mip.normal_form.form" in broken.stdout
    place.write_text(whole)


def specifiers_of(extra: str | None) -> dict[str, SpecifierSet]:
    """What the core (None) or an extra requires of each package, extras of extras resolved."""
    texts = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    found: dict[str, SpecifierSet] = {}
    for requirement in map(Requirement, texts):
        if requirement.name == "relu2mip":
            for part in requirement.extras:
                found |= specifiers_of(part)
        else:
            found[canonicalize_name(requirement.name)] = requirement.specifier
    return found


def requirements_of(extra: str | None) -> set[str]:
    """Names that the core (None) or an extra requires, extras of extras resolved."""
    return set(specifiers_of(extra))


def read_pins(file: str) -> dict[str, str]:
    """The version that a file gives each package; a line that is no plain pin is an error."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    """The version that constraints.txt gives each package."""
    return read_pins("constraints.txt")


def test_the_oldest_releases_that_tests_run_on_are_those_that_are_admitted():
    required = {**specifiers_of(None), **specifiers_of("test")}
    minima = {
        name: Version(part.version)
        for name, specifier in required.items()
        for part in specifier
        if part.operator == ">="
    }
    assert set(minima) == set(required), "give every package a minimum"
    assert {name: Version(pin) for name, pin in read_pins("constraints-oldest.txt").items()} == minima


def test_constraints_pin_all_that_core_and_development_require(pins: dict[str, str]):
    assert (requirements_of(None) | requirements_of("dev")) - set(pins) == set()
    assert pins["torch"] == "2.13.0"


def test_pins_satisfy_the_declared_requirements(pins: dict[str, str]):
    declared = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in map(Requirement, itertools.chain.from_iterable(declared)):
        name = canonicalize_name(requirement.name)
        assert name not in pins or pins[name] in requirement.specifier, requirement


def test_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert importlib.metadata.version("relu2mip") == PROJECT["version"]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as a user would, also when the tests themselves were started by make."""
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
class TestMakefile:
    def test_help_names_every_target(self):
        listed = {line.split()[0] for line in make("help").stdout.splitlines()}
        assert {"demo", "test", "test-latest", "test-oldest", "lint", "docs", "bench", "clean", "help"} <= listed

    def test_python_too_old_is_a_clear_error(self, tmp_path: Path):
        result = make("test", "PYTHON=false", f"VENV={tmp_path / 'venv'}")
        assert result.returncode != 0
        assert "relu2mip needs Python 3.11 or newer" in result.stderr
        assert not (tmp_path / "venv").exists()

    def test_demo_needs_neither_torch_nor_a_commercial_solver(self):
        assert {"torch", "gurobipy", "cvxpy"} & (requirements_of(None) | requirements_of("demo")) == set()
        assert "[demo]" in make("--dry-run", "demo", "VENV=/nowhere").stdout


def commands_in_guides(program: str) -> set[str]:
    """The commands of a program in the console blocks of README.md and of the documentation."""
    guides = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(guide.read_text() for guide in guides)
    blocks = "".join(re.findall(r"^```console\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
    return set(re.findall(rf"^{program} ([a-z][a-z-]*)", blocks, flags=re.MULTILINE))


def test_make_commands_of_the_guides_exist():
    commands = commands_in_guides("make")
    assert {"demo", "test"} <= commands
    assert [command for command in sorted(commands) if make("--dry-run", command).returncode != 0] == []


@pytest.mark.parametrize("command", sorted(commands_in_guides("relu2mip")))
def test_relu2mip_command_of_the_guides_exists(command: str):
    program = Path(sys.executable).with_name("relu2mip")
    result = subprocess.run([program, command, "--help"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed")
def test_documentation_builds_without_a_warning(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "index.html").is_file()


class TestInstalledBackends:
    def test_missing_backend_is_left_out(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("RELU2MIP_REQUIRE_BACKENDS", raising=False)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gurobipy" else object())
        assert installed_backends() == ["highs", "cvxpy"]

    def test_missing_backend_that_is_required_is_listed(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("RELU2MIP_REQUIRE_BACKENDS", "gurobi")
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert installed_backends() == ["gurobi"]

    def test_unknown_backend_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("RELU2MIP_REQUIRE_BACKENDS", "highs,gorubi")
        with pytest.raises(pytest.UsageError, match="gorubi"):
            installed_backends()


def test_no_file_of_the_package_is_long():
    files = [path for folder in ("relu2mip", "frontends", "backends") for path in (ROOT / folder).rglob("*.py")]
    long = {str(path.relative_to(ROOT)): lines for path in files if (lines := len(path.read_text().splitlines())) > 350}
    assert len(files) > 250
    assert long == {}, "one concept a file: split it"
