"""Ctrl-C ends a search with the best plan so far: real signals, sent to a process of its own."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from relu2mip.runtime.ctrl_c import stopped_by_ctrl_c
from relu2mip.runtime.deadline import interrupted, limited
from tests.conftest import ROOT, installed_backends

EXAMPLE = ROOT / "examples" / "cartpole"
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent to processes")


@pytest.fixture
def hard(tmp_path: Path) -> Path:
    """A problem that no solver finishes soon, though Gurobi's size-limited licence takes it."""
    text = (EXAMPLE / "problem.toml").read_text()
    path = tmp_path / "hard.toml"
    path.write_text(text.replace("dynamics.onnx", (EXAMPLE / "dynamics_2x32.onnx").as_posix()))
    return path


SOLVE = """
    import json, sys, time
    import relu2mip as r2m
    from relu2mip.bounds import Ibp
    from relu2mip.runtime.deadline import expired

    class Slow:
        name, grade = "slow", "certified"

        def tighten(self, unrolled, bounds):
            while not expired():
                time.sleep(0.01)
            return Ibp().tighten(unrolled, bounds)

    told = []

    def listen(progress):
        if "STAGE" in progress.stage and not told:
            told.append(progress)
            print("ready", flush=True)

    problem = r2m.Trajectory.from_toml(sys.argv[1])
    answer = r2m.solve(problem, sys.argv[2], bounds=BOUNDS, time_limit=600, threads=1, progress=listen)
    print(json.dumps({"status": answer.status, "has_plan": answer.has_plan}))
"""


def interrupted_run(
    hard: Path, backend: str, stage: str, bounds: str = "Ibp()", pause: float = 0.0
) -> subprocess.CompletedProcess:
    """Solve in another process, which is sent Ctrl-C a pause after a stage begins."""
    code = textwrap.dedent(SOLVE).replace("STAGE", stage).replace("BOUNDS", bounds)
    command = [sys.executable, "-c", code, str(hard), backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=200)
    return subprocess.CompletedProcess(command, process.returncode, out, error)


@pytest.mark.parametrize("pause", [0.0, 2.0], ids=["at once", "midway"])
@pytest.mark.parametrize("backend", installed_backends())
def test_a_search_gives_its_best_plan(hard: Path, backend: str, pause: float) -> None:
    ended = interrupted_run(hard, backend, "searching", pause=pause)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"status": "interrupted", "has_plan": True}


def test_bounds_end_with_a_plan_too(hard: Path) -> None:
    ended = interrupted_run(hard, "highs", "bounds", "Slow()")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"status": "interrupted", "has_plan": True}


def test_the_command_line_prints_and_writes_the_plan(hard: Path) -> None:
    command = [Path(sys.executable).with_name("relu2mip"), "solve", hard.name, "--bounds", "ibp"]
    command += ["--time-limit", "600s", "--output", "answer.json"]
    with subprocess.Popen(
        command, cwd=hard.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = [next(process.stderr) for _ in range(1)]
        while "searching" not in lines[-1]:
            lines.append(next(process.stderr))
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=200)
    assert process.returncode == 0, error
    assert "interrupted" in out
    assert json.loads((hard.parent / "answer.json").read_text())["has_plan"]
    assert all(line.split(" s: ")[0].isdigit() and line.rstrip().endswith("s left") for line in lines)


def test_the_second_ctrl_c_is_a_keyboard_interrupt() -> None:
    before = signal.getsignal(signal.SIGINT)

    def twice() -> None:
        with limited(100.0) as budget, stopped_by_ctrl_c(budget):
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupted()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_of_the_callers_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with limited(100.0) as budget, stopped_by_ctrl_c(budget):
            os.kill(os.getpid(), signal.SIGINT)
            assert not interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
