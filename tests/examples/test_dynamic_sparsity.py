"""The example runs at its smallest, and again from the rollouts that it left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def test_the_example_runs_small(tmp_path: Path) -> None:
    for package in ("matplotlib", "mujoco", "pymunk"):
        pytest.importorskip(package)
    script = ROOT / "examples" / "dynamic_sparsity" / "run.py"
    systems = ["--systems", "Reacher-v5", "environments:Push-v0", "playground:CartpoleBalance"]
    command = [sys.executable, str(script), *systems, "--rollouts", "2", "--steps", "10", "--folder", str(tmp_path)]
    first = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    rows = json.loads((tmp_path / "table.json").read_text())
    assert [made["system"] for made in rows][:2] == ["Reacher-v5", "environments:Push-v0"]
    assert "Push-v0 |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "Reacher-v5.html").exists()
    assert "playground:CartpoleBalance" in first.stdout
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert json.loads((tmp_path / "table.json").read_text()) == rows
