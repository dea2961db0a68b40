"""Mutation testing of the functions that soundness rests on: which small change of the code does no test notice?

    pip install cosmic-ray
    python benchmarks/mutants.py [MODULE ...]

Each function below is changed in one place at a time (cosmic-ray's operators for arithmetic, comparisons, numbers and
logic), and the tests beside it run on the changed copy of the repository until one fails. It prints what survives.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[1]
SWAPS = {
    "Binary": ["Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "BitOr_BitAnd", "BitAnd_BitOr"],
    "Comparison": ["Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt", "Eq_NotEq"],
    "Unary": ["Delete_USub", "Delete_Invert", "Delete_Not"],
}
OPERATORS = [f"core/Replace{kind}Operator_{swap}" for kind, swaps in SWAPS.items() for swap in swaps]
OPERATORS += ["core/NumberReplacer", "core/ReplaceAndWithOr", "core/ReplaceOrWithAnd"]
PIECES = "tests/bounds/test_relaxations.py"
CROWN = f"{PIECES} tests/bounds/test_exact_arithmetic.py tests/bounds/test_crown.py tests/bounds/test_bounds.py"
PROGRAMS = f"{PIECES} tests/bounds/test_duals.py tests/bounds/test_exact_arithmetic.py tests/bounds/test_lp.py"
TARGETS = {
    "relu2mip/unrolled/rounding.py": ("*", CROWN),
    "relu2mip/unrolled/intersect.py": ("*", CROWN),
    "relu2mip/bounds/ibp.py": ("propagate_value", CROWN),
    "relu2mip/bounds/sides.py": ("*", CROWN),
    "relu2mip/bounds/backward.py": ("minimum _absorb _over_boxes _add", CROWN),
    "relu2mip/bounds/crown.py": ("bounds plus_bias through plus_box bound both_signs", CROWN),
    "relu2mip/lp/duals.py": ("*", PROGRAMS),
    "relu2mip/formulations/triangle.py": ("relu max", PROGRAMS + " tests/formulations/test_triangle.py"),
    "relu2mip/bounds/minorant.py": ("least excluded _function _pieces", "tests/bounds/test_split.py"),
    "relu2mip/mip/check.py": ("*", "tests/mip/test_check.py tests/mip/test_judge.py"),
    "relu2mip/mip/judge.py": ("*", "tests/mip/test_judge.py"),
}
"""Module: (functions, tests that speak of them)."""


def main(chosen: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        killed = total = 0
        for module, (functions, tests) in TARGETS.items():
            if chosen and module not in chosen:
                continue
            if not _passes(copy, tests, 600):
                sys.exit(f"{tests}: they fail without any change")
            survivors, count = [], 0
            source = (ROOT / module).read_text()
            for operator, occurrence, line, changed in _mutants(source, functions):
                count += 1
                (copy / module).write_text(changed)
                if _passes(copy, tests, 120):
                    survivors.append(f"  {line}: {source.splitlines()[line - 1].strip()}   [{operator} {occurrence}]")
            (copy / module).write_text(source)
            killed, total = killed + count - len(survivors), total + count
            print(f"{module}: {count - len(survivors)} of {count} killed", *survivors, sep="\n", flush=True)
        print(f"{killed} of {total} killed")


def _mutants(source: str, functions: str) -> Iterator[tuple[str, int, int, str]]:
    """Operator, occurrence, line and changed source of every change inside the functions."""
    lines = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and (functions == "*" or node.name in functions.split())
        for statement in node.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }
    before = source.splitlines()
    for name in OPERATORS:
        occurrence = 0
        while (changed := mutate_code(source, get_operator(name)(), occurrence)) is not None:
            after = changed.splitlines()
            line = next((k for k, pair in enumerate(zip(before, after, strict=False), 1) if pair[0] != pair[1]), 0)
            if line in lines:
                yield name.rpartition("/")[2], occurrence, line, changed
            occurrence += 1


def _passes(copy: Path, tests: str, seconds: float) -> bool:
    command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", *tests.split()]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        return subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _copied(folder: Path) -> Path:
    """The repository with the package as it is installed; what lies beside the repository, too."""
    copy = folder / ROOT.name
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for part in ("frontends", "backends"):
        (copy / "relu2mip" / part).symlink_to(copy / part)
    if (ROOT.parent / "shared").exists():
        (folder / "shared").symlink_to(ROOT.parent / "shared")
    return copy


if __name__ == "__main__":
    main(sys.argv[1:])
