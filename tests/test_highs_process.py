"""HiGHS's pools of threads and its standard output: no solve changes what later ones find, and none prints."""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import highspy
import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.lp import highs_process
from relu2mip.mip.aids import Aids, Heuristic
from relu2mip.options import SolveOptions
from relu2mip.registry import backends
from tests.backends.library import program
from tests.conftest import ROOT
from tests.forms import mlp

MODEL = program([-1, -1, -1], [[2, 1, 3], [1, 2, 1]], 0, 4.5, integer=True)

STAGES = """
import json, sys
import numpy as np
import relu2mip as r2m
from tests.forms import mlp

problem = r2m.Trajectory(mlp([3, 8, 2], seed=3), 3, [0.5, -0.5], r2m.Box(-1, 1), states=r2m.Box(-4, 4),
                         cost=r2m.costs.L1(target=1.0, state=1.0, control=0.1))
for option in sys.argv[1:]:
    backend, _, threads = option.partition(":")
    r2m.solve(problem, backend, bounds="crown", **({"threads": int(threads)} if threads else {}))
found = {}
for bounds in ("crown+lp", "crown+cutoff(rounds=1)", "crown+mip(window=1)"):
    tight = r2m.compile(problem, bounds=bounds).all_bounds
    detail = tight.provenance[-1].detail
    widths = [float((b - a).sum()) for a, b in zip(tight.lower, tight.upper)]
    found[bounds] = [detail["programs"], detail["failures"], *widths]
ideal = r2m.compile(problem, bounds="crown", formulation="ideal")
found["ideal"] = [ideal.model.rows, ideal.statistics.cuts.failures, ideal.statistics.cuts.after]
small = r2m.BoxProblem(mlp([2, 5, 5, 1], seed=1), -1, 1, [1.0])
found["regions"] = [r2m.compile(small, bounds="crown", formulation="regions(limit=200)").model.binaries]
found["quality"] = [ideal.quality().root]
print(json.dumps(found))
"""


def stages(*before: str) -> dict[str, list[float]]:
    """What every stage with programs of its own finds in a process that made these solves before."""
    command = [sys.executable, "-c", STAGES, *before]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def fresh() -> dict[str, list[float]]:
    return stages()


def test_no_program_fails_in_a_fresh_process(fresh: dict[str, list[float]]) -> None:
    for bounds in [name for name in fresh if name.startswith("crown")]:
        programs, failures, *_ = fresh[bounds]
        assert programs > failures == 0


@pytest.mark.parametrize("before", [("highs:2",), ("highs:1",), ("highs",), ("cvxpy:2", "highs")], ids=",".join)
def test_solves_do_not_change_what_later_programs_find(before: tuple[str, ...], fresh: dict[str, list[float]]) -> None:
    found = stages(*before)
    assert found.keys() == fresh.keys()
    for name, values in fresh.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-7, err_msg=name)


def refuse_own_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS refuses every program of our own, as it does where a pool with another number of threads is in the way."""
    real = highs_process.run

    def run(highs: highspy.Highs, threads: int | None = None) -> None:
        if threads is not None:
            real(highs, threads)
        else:
            highs.setOptionValue("threads", 99)
            highs.run()

    monkeypatch.setattr(highs_process, "run", run)
    real(highs_process.silent(), 1)


@pytest.mark.parametrize(
    ("bounds", "formulation", "stage"),
    [("crown+lp", "big-m", "lp"), ("crown+mip", "big-m", "mip"), ("crown", "ideal", "cut rounds")],
)
def test_a_stage_most_of_whose_programs_fail_is_named(
    bounds: str, formulation: str, stage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    problem = r2m.BoxProblem(mlp([2, 5, 5, 1], seed=1), -1, 1, [1.0])
    refuse_own_programs(monkeypatch)
    with pytest.warns(UserWarning, match=rf"{stage}: HiGHS failed at \d+ of \d+ programs"):
        compiled = r2m.compile(problem, bounds=bounds, formulation=formulation)
    (warning,) = compiled.statistics.warnings
    answer = compiled.solve("highs", threads=1)
    assert warning in answer.message
    saved = r2m.Answer.load(answer.save(tmp_path / "answer.json"))
    assert saved.statistics.warnings == compiled.statistics.warnings


def test_running_out_of_time_is_no_failure() -> None:
    problem = r2m.BoxProblem(mlp([2, 5, 5, 1], seed=1), -1, 1, [1.0])
    compiled = r2m.compile(problem, bounds="crown+lp(budget=1e-6)+mip(budget=1e-6)", formulation="ideal(budget=1e-6)")
    assert compiled.statistics.warnings == ()


class Solving(Heuristic):
    """A heuristic that solves: before the search, and inside its callbacks, with other numbers of threads."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def solve(self) -> None:
        for threads in (1, 2, 0):
            self.found.append(backends["highs"](incumbents="off").solve(MODEL, SolveOptions(threads=threads)).objective)

    def find(self, model, seconds):
        self.solve()
        return np.zeros(model.columns)

    def improve(self, model, x, seconds):
        self.solve()


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_a_solve_inside_the_callback_of_another_joins_its_pool(threads: int) -> None:
    rng = np.random.default_rng(0)
    model = program(-rng.uniform(1, 2, 30), rng.uniform(0, 1, (12, 30)), -np.inf, 6.0, integer=True)
    solving = Solving()
    options = SolveOptions(threads=threads, time_limit=5.0, gap=0.02)
    solution = backends["highs"](incumbents="on").solve(model, options, Aids(heuristic=solving))
    assert solution.objective <= -1
    assert len(solving.found) > 3
    expected = backends["highs"]().solve(MODEL, SolveOptions()).objective
    assert solving.found == pytest.approx([expected] * len(solving.found))


def test_solves_in_several_threads_at_once_do_not_meet() -> None:
    found: list[float] = []

    def work(threads: int) -> None:
        options = SolveOptions(threads=threads)
        found.extend(backends["highs"]().solve(MODEL, options).objective for _ in range(5))

    workers = [threading.Thread(target=work, args=(threads,)) for threads in (1, 2, 3, 0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert found == pytest.approx([found[0]] * 20)


def test_a_native_solver_object_is_the_plain_class_and_can_log(capfd: pytest.CaptureFixture[str]) -> None:
    highs = highs_process.silent()
    assert type(highs) is highspy.Highs
    highs.addCol(1.0, 0.0, 1.0, 0, [], [])
    highs_process.run(highs)
    assert capfd.readouterr().out == ""
    highs.setOptionValue("output_flag", True)
    highs.run()
    assert "Optimal" in capfd.readouterr().out


def test_nothing_else_makes_or_runs_a_solver_object() -> None:
    sources = [path for folder in ("relu2mip", "backends") for path in (ROOT / folder).rglob("*.py")]
    makes = re.compile(r"\bHighs\(|\b(highs|native)\.run\(|\bresetGlobalScheduler\b|import .*\bHighs\b")
    peers = ROOT / "relu2mip" / "study" / "peers"  # other tools, in processes of trials
    found = [str(path.relative_to(ROOT)) for path in sources if makes.search(path.read_text()) and path.parent != peers]
    assert found == ["relu2mip/lp/highs_process.py"]


SOLVE = """
import sys
import relu2mip as r2m
from relu2mip.ir.samples import tiny
for formulation in ("regions", "ideal"):
    answer = r2m.solve(r2m.BoxProblem(tiny(), -1, 1, [1.0], "max"), sys.argv[1], bounds="crown+lp",
                       formulation=formulation, log=sys.argv[2] == "log", threads=1)
    assert answer.status == "optimal"
"""


@pytest.mark.parametrize("log", ["silent", "log"])
def test_no_solver_prints_on_standard_output(backend: str, log: str) -> None:
    command = [sys.executable, "-c", SOLVE, backend, log]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    assert (ended.stderr == "") == (log == "silent")


def test_the_log_is_where_python_says_standard_error_is(capsys: pytest.CaptureFixture[str], backend: str) -> None:
    from relu2mip.ir.samples import tiny

    r2m.solve(r2m.BoxProblem(tiny(), -1, 1, [1.0], "max"), backend, log=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err != "" or backend == "cvxpy"
