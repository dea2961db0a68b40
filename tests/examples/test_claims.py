"""The claims: rows that resume, intervals, and each figure at a tiny setting."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))


def test_rows_resume(tmp_path: Path) -> None:
    from claims.rows import collected, read

    asked = []

    def measure(name: str, seed: int, seconds: float) -> dict[str, object]:
        asked.append((name, seed))
        if seed == 2:
            raise KeyboardInterrupt
        return {"cost": seconds * seed + 0.1, "why": f"{name}, it says"}

    file = tmp_path / "deep" / "rows.csv"
    trials = [{"name": name, "seed": seed, "seconds": 1.0} for seed in range(3) for name in ("a", "b")]
    with pytest.raises(KeyboardInterrupt):
        collected(file, trials, measure)
    assert asked == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2)]
    first = collected(file, trials[:4], measure)
    assert len(asked) == 5
    assert [row["cost"] for row in first] == [0.1, 0.1, 1.1, 1.1]
    assert first[1] == {"name": "b", "seed": 0, "seconds": 1.0, "cost": 0.1, "why": "b, it says"}
    assert read(file) == first
    # Other settings are other trials; a line cut short is run again.
    collected(file, [{"name": "a", "seed": 0, "seconds": 2.0}], measure)
    assert len(asked) == 6
    file.write_text(file.read_text()[:-4])
    with pytest.warns(UserWarning, match="cut short"):
        collected(file, [{"name": "a", "seed": 0, "seconds": 2.0}], measure)
    assert len(asked) == 7
    assert len(read(file)) == 5
    with pytest.raises(ValueError, match="move it away"):
        collected(file, [{"name": "a", "seed": 9, "seconds": 2.0}], lambda **_: {"other": 1})


def test_intervals() -> None:
    from claims.rows import mean_interval, seeds_interval, share_interval

    rng = np.random.default_rng(0)
    inside = {"mean": 0, "seeds": 0}
    for seed in range(60):
        for name, found in (
            ("mean", mean_interval(rng.exponential(size=100), seed)),
            ("seeds", seeds_interval(1.0 + rng.standard_normal(5))),
        ):
            inside[name] += found[1] <= 1.0 <= found[2]
    assert all(51 <= count <= 60 for count in inside.values()), inside
    assert seeds_interval([1.0, 2.0, 4.0])[1:] == pytest.approx(
        stats.t.interval(0.95, 2, 7 / 3, stats.sem([1.0, 2.0, 4.0]))
    )
    assert np.isnan(mean_interval([3.0])[1])
    share, low, high = share_interval([True] * 95 + [False] * 5)
    assert (share, round(low, 3), round(high, 3)) == (0.95, 0.888, 0.978)


def test_arguments(tmp_path: Path) -> None:
    from claims.rows import arguments

    small = {"trials": 3, "seconds": 0.5, "relus": (24, 15)}
    full = {"trials": 100, "seconds": 2.0, "relus": (24, 15)}
    assert arguments("it", small, full, []).trials == 3
    found = arguments("it", small, full, ["--full", "--relus", "8", "--folder", str(tmp_path)])
    assert (found.trials, found.seconds, found.relus, found.folder) == (100, 2.0, [8], tmp_path)


def test_a_ratio_is_paired() -> None:
    from claims.rows import ratio_interval

    others = np.random.default_rng(0).exponential(size=50)
    assert ratio_interval(2.0 * others, others) == pytest.approx((2.0, 2.0, 2.0))
    ratio, low, high = ratio_interval(others + np.linspace(0, 0.5, 50), others)
    assert 1.0 < low < ratio < high


def test_prediction(tmp_path: Path) -> None:
    from claims import prediction
    from claims.rows import read

    given = ["--rollouts", "2", "--tasks", "sort-3", "push", "--folder", str(tmp_path)]
    prediction.main(given)
    rows = read(tmp_path / "prediction.csv")
    assert len(rows) == 2 * (4 + 8)
    assert (tmp_path / "prediction.svg").stat().st_size > 1000
    # Nothing moves by 0 ReLUs: the error is how far things moved, and 128 ReLUs are better.
    last = {
        count: [row["after_20"] for row in rows if (row["task"], row["relus"]) == ("push", count)] for count in (0, 128)
    }
    assert np.mean(last[128]) < np.mean(last[0]) / 2
    states, _ = prediction.truth("push", 1)
    moved = np.sqrt(((states[20] - states[0])[:8] ** 2).sum() / 4)
    assert last[0][1] == pytest.approx(moved, abs=1e-3)


def test_parked_discs_do_not_matter() -> None:
    """Three discs by the network of eight are two by the network of two, where the third is out of reach."""
    from claims import prediction
    from claims.tasks import TASKS

    states, controls = prediction.truth("sort-2", 0)
    two, eight = TASKS["sort-2"].members[28], prediction.members("sort-3")[28]
    assert eight is not None
    far = np.concatenate([states[0][:-2], [-3000.0, -3000.0], states[0][-2:]])
    found = prediction.predicted(eight, far, controls)
    assert np.allclose(np.delete(found, [4, 5], axis=1), prediction.predicted(two, states[0], controls), atol=1e-2)


def test_open_loop(tmp_path: Path) -> None:
    from claims import open_loop
    from claims.rows import read

    given = [
        "--tasks", "push", "cartpole", "--relus", "8", "--horizons", "3", "--instances", "2", "--seconds", "0.5",
        "--planners", "cem", "mppi", "hybrid", "--folder", str(tmp_path),
    ]  # fmt: skip
    open_loop.main(given)
    rows = read(tmp_path / "open_loop.csv")
    assert len(rows) == 2 * 2 * 3
    assert all(row["feasible"] and row["bound"] != row["bound"] for row in rows if row["planner"] == "cem")
    assert all(row["bound"] <= row["cost"] + 1e-6 for row in rows if row["bound"] == row["bound"])
    assert (tmp_path / "open_loop.svg").stat().st_size > 1000
    before = (tmp_path / "open_loop.csv").read_text()
    open_loop.main(given)
    assert (tmp_path / "open_loop.csv").read_text() == before


def test_open_loop_counts() -> None:
    """Shares are of instances on which all planners ran; a planner without a plan is neither no worse nor proven."""
    from claims.open_loop import summary

    def row(instance: int, planner: str, cost: float, bound: float = np.nan, feasible: int = 1) -> dict[str, object]:
        return {
            "task": "push", "relus": 8, "horizon": 5, "instance": instance, "planner": planner, "cost": cost,
            "true_cost": cost + 10, "bound": bound, "at_rest": 200.0, "feasible": feasible,
        }  # fmt: skip

    rows = [
        row(0, "cem", 100.0), row(0, "mppi", 110.0), row(0, "mip", 90.0, 89.0),
        row(1, "cem", 120.0), row(1, "mppi", 100.0), row(1, "mip", 101.0, 50.0),
        row(2, "cem", 100.0), row(2, "mppi", 100.0), row(2, "mip", np.nan, feasible=0),
        row(3, "cem", 1.0),
    ]  # fmt: skip
    found = {one["planner"]: one for one in summary(rows)}
    assert found["cem"]["instances"] == 3
    assert found["mip"]["plans"] == 2
    assert found["mip"]["excess"][0] == pytest.approx((-0.1 + 0.01) / 2)
    assert found["mip"]["no_worse"][0] == pytest.approx(1 / 3)
    assert found["mip"]["proven"][0] == pytest.approx(1 / 3)
    assert found["mip"]["gap"] == pytest.approx((1 / 90 + 51 / 101) / 2)
    assert found["mppi"]["no_worse"][0] == pytest.approx(2 / 3)
    assert found["mip"]["true"][0] == pytest.approx(1 - (100 + 111) / 400)


@pytest.mark.parametrize("name", ["push", "sort-2", "rope", "cartpole"])
def test_replaying_is_stepping(name: str) -> None:
    from claims.tasks import TASKS

    task = TASKS[name]
    env, state = task.instance(3)
    rng = np.random.default_rng(0)
    controls = rng.choice([-1.0, 1.0], (3, 1)) if name == "cartpole" else rng.uniform(-30, 30, (3, 2))
    states = task.replay(env, controls)
    assert np.array_equal(env.state, state)
    for t, control in enumerate(controls):
        env.step(env.action_of(control) if name == "cartpole" else control)
        assert np.allclose(env.state, states[t + 1], atol=1e-9)


def test_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    from claims import baselines
    from claims.rows import read

    for name, value in {"UNITS": (6, 4), "STEP": 0.5, "GROWTH": 3, "HELD_OUT": 20}.items():
        monkeypatch.setattr(baselines, name, value)
    given = ["--rollouts", "30", "--epochs", "2", "--families", "linearisation", "channel-pruning", "--seeds", "0", "1"]
    baselines.main([*given, "--folder", str(tmp_path)])
    rows = read(tmp_path / "baselines.csv")
    assert [(row["family"], row["seed"]) for row in rows] == [
        (family, seed) for seed in (0, 1) for family in ("linearisation", "channel-pruning")
    ]
    assert all(row["error_6"] > 0 and row["error_4"] > 0 for row in rows)
    assert "of that of it" in capsys.readouterr().out
    assert (tmp_path / "members" / "push" / "channel-pruning-1" / "units-4.onnx").exists()
    assert (tmp_path / "baselines.svg").stat().st_size > 1000
