"""The CartPole plan in Python runs as written and plans what problem.toml describes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import relu2mip as r2m

pytest.importorskip("gymnasium")
pytest.importorskip("matplotlib")

EXAMPLE = Path(__file__).parents[2] / "examples" / "cartpole"


def test_script_plans_the_problem_of_the_file(tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLE / "plan.py"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    answer = r2m.solve(r2m.Trajectory.from_toml(EXAMPLE / "problem.toml"))
    (objective,) = re.findall(r"objective ([0-9.]+)", printed)
    assert float(objective) == pytest.approx(answer.objective, abs=1e-4)
    (forces,) = re.findall(r"^force +(.*)$", printed, flags=re.MULTILINE)
    assert [float(force) for force in forces.split()] == pytest.approx(answer.controls[:, 0].tolist(), abs=1e-6)
    assert (tmp_path / "cartpole.png").read_bytes().startswith(b"\x89PNG")
