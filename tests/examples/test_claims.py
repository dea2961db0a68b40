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
