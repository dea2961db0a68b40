"""A trial has a process of its own; whatever happens there is its result."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import relu2mip as r2m
from relu2mip.study import Arm, Limits, Trial
from relu2mip.study.outcome import Outcome
from relu2mip.study.statement import stated
from relu2mip.study.workers import Nursery, WorkerDied
from tests.study.small import install_faulty, small

LIMITS = Limits(memory="600MB", grace=1.0)


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """A nursery with faulty backends at hand."""
    folder = tmp_path_factory.mktemp("faulty")
    install_faulty(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        made = Nursery(threads=1)
    yield made
    made.close()


def trial(folder: Path, how: str = "", **changes: object) -> Trial:
    arm = Arm("ibp", "big-m", f"faulty(how={how})" if how else "highs")
    (first, *_) = small(folder).trials
    instance = dataclasses.replace(first.instance, time_limit=0.5)
    return dataclasses.replace(first, **{"arm": arm, "limits": LIMITS, "instance": instance, **changes})


def test_a_result_is_that_of_solve_in_this_process(nursery: Nursery, tmp_path: Path) -> None:
    asked = trial(tmp_path)
    result = nursery.run(asked.to_dict())
    answer = r2m.solve(stated(asked.instance.statement, asked.instance.folder), "highs", "ibp", "big-m", threads=1)
    assert result["outcome"] == Outcome.SOLVED
    assert result["objective"] == pytest.approx(answer.objective, abs=1e-6)
    statistics = answer.statistics
    for name in ("columns", "binaries", "rows", "nonzeros", "units", "stable"):
        assert result[name] == getattr(statistics, name)
    assert result["relaxation"] <= result["objective"] + 1e-9
    assert result["bounds_seconds"] + result["build_seconds"] + result["search_seconds"] <= result["seconds"] + 1e-6
    assert result["seconds"] < result["wall_seconds"]
    times, plans = zip(*result["plans"], strict=True)
    assert list(times) == sorted(times)
    assert plans[-1] == pytest.approx(result["objective"])
    assert result["peak_memory"] > 2e7


@pytest.mark.parametrize(
    ("how", "outcome", "words"),
    [
        ("abort", Outcome.CRASHED, "SIGABRT"),
        ("hang", Outcome.KILLED, "hard limit"),
        ("memory", Outcome.MEMORY, ""),
        ("raise", Outcome.FAILED, "a fault of its own"),
        ("print", Outcome.SOLVED, ""),
    ],
)
def test_whatever_happens_is_a_result_and_the_next_trial_runs(
    nursery: Nursery, tmp_path: Path, how: str, outcome: Outcome, words: str
) -> None:
    result = nursery.run(trial(tmp_path, how).to_dict())
    assert (result["outcome"], words in result["message"]) == (outcome, True), result
    assert result["peak_memory"] < 1.2 * LIMITS.memory
    assert nursery.run(trial(tmp_path).to_dict())["outcome"] == Outcome.SOLVED
    time.sleep(0.05)
    assert processes_of_group(nursery.process.pid) == [nursery.process.pid], "a trial leaves no process behind"


def gone(made: Nursery) -> bool:
    """Whether all its processes end in a moment."""
    deadline = time.monotonic() + 5
    while processes_of_group(made.process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_of_group(made.process.pid)


def processes_of_group(session: int) -> list[int]:
    """The processes of a session that live, those of groups of their own included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if os.getsid(int(entry.name)) == session and state != "Z":
                    found.append(int(entry.name))
            except (ProcessLookupError, FileNotFoundError):
                pass
    return found


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"controls": {"lower": 0.9, "upper": 1.0}, "terminal": [-1.9, -1.9, -1.9, -1.9]}, Outcome.INFEASIBLE),
        ({"states": {"lower": -2, "upper": 2}}, Outcome.SOLVED),
    ],
)
def test_an_infeasible_problem_is_a_result(
    nursery: Nursery, tmp_path: Path, changes: dict[str, object], outcome: Outcome
) -> None:
    asked = trial(tmp_path)
    statement = {**asked.instance.statement, **changes}
    asked = dataclasses.replace(asked, instance=dataclasses.replace(asked.instance, statement=statement))
    assert nursery.run(asked.to_dict())["outcome"] == outcome


def test_a_file_that_changed_since_it_was_checked_is_no_result_of_the_old_one(nursery: Nursery, tmp_path: Path) -> None:
    asked = trial(tmp_path)
    (file,) = asked.instance.files
    Path(file).write_bytes(Path(file).read_bytes() + b" ")
    result = nursery.run(asked.to_dict())
    assert (result["outcome"], "has changed" in result["message"]) == (Outcome.FAILED, True)


def test_a_planner_and_a_relaxation_prove_nothing(nursery: Nursery, tmp_path: Path) -> None:
    planned = nursery.run(trial(tmp_path, arm=Arm(planner="cem(samples=32)")).to_dict())
    assert (planned["outcome"], planned["bound"] == planned["bound"]) == (Outcome.PLAN, False)
    relaxed = nursery.run(trial(tmp_path, arm=Arm("ibp", "triangle", "highs")).to_dict())
    assert relaxed["outcome"] == Outcome.PLAN
    assert relaxed["bound"] <= relaxed["objective"]


def test_a_nursery_that_is_killed_says_so_and_takes_its_trial_along(tmp_path: Path) -> None:
    install_faulty(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        made = Nursery(threads=1)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        made.run(trial(tmp_path, f"kill once,path={tmp_path / 'mark'}").to_dict())
    assert not made.alive
    assert gone(made)
    made.close()


def test_a_nursery_ends_with_its_runner(tmp_path: Path) -> None:
    """Its input ends, in the middle of a trial: nothing is left."""
    install_faulty(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        made = Nursery(threads=1)
    assert made.process.stdin is not None
    made.process.stdin.write(json.dumps(trial(tmp_path, "hang").to_dict()).encode() + b"\n")
    made.process.stdin.flush()
    time.sleep(0.5)
    made.process.stdin.close()
    made.process.wait(timeout=5)
    made.close()
    assert gone(made)


def test_ctrl_c_does_not_reach_a_trial(nursery: Nursery) -> None:
    assert os.getpgid(nursery.process.pid) != os.getpgid(0)
    os.kill(nursery.process.pid, signal.SIGINT)
    assert nursery.alive
