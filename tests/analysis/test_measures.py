"""Measures of patterns that are known, and a test of clustering that finds what is there and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from relu2mip.analysis import MeasureOptions, Rollouts, measure
from relu2mip.errors import InvalidOption

RAW = MeasureOptions(threshold=0.5, normalise=False)


def rollouts(pattern: np.ndarray, contacts: np.ndarray | None = None, begins: np.ndarray | None = None) -> Rollouts:
    """Rollouts whose Jacobians, (R, T, n, n + m), are a pattern."""
    r, t, n, both = pattern.shape
    rng = np.random.default_rng(0)
    first = np.zeros((r, t), dtype=bool)
    first[:, 0] = True
    return Rollouts(
        states=rng.normal(size=(r, t, n)),
        controls=rng.normal(size=(r, t, both - n)),
        next_states=rng.normal(size=(r, t, n)),
        by_state=pattern[..., :n],
        by_control=pattern[..., n:],
        contacts=np.zeros((r, t), dtype=int) if contacts is None else contacts,
        begins=first if begins is None else begins,
        seconds=0.1,
        state_names=tuple(f"x{k}" for k in range(n)),
        control_names=tuple(f"u{k}" for k in range(both - n)),
    )


def test_a_pattern_that_never_changes() -> None:
    pattern = np.broadcast_to([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]], (3, 10, 2, 3))
    found = measure(rollouts(pattern), RAW)
    assert (found.global_sparsity, found.state_dependence, found.run_length) == (0.5, 0.0, 10.0)
    assert (found.local_sparsity == 0.5).all()
    assert not found.changes.any()
    assert np.isnan(found.p_value)
    assert [row.local for row in found.by_output] == pytest.approx([2 / 3, 1 / 3])
    assert [column.everywhere for column in found.by_input] == [0.0, 0.5, 1.0]
    assert found.blocks["state", "control"] == (1.0, 1.0, 0.0, 0.0)


def test_an_entry_that_is_there_half_of_the_time() -> None:
    pattern = np.ones((2, 8, 1, 2))
    pattern[:, 4:, 0, 1] = 0.0
    found = measure(rollouts(pattern), RAW)
    assert (found.global_sparsity, found.state_dependence) == (0.0, 0.5)
    assert found.changes[:, 4].tolist() == [1.0, 1.0]
    assert found.changes.sum() == 2
    assert found.run_length == pytest.approx((8 + 4 + 4) / 3)
    assert found.zero_share.tolist() == [[0.0, 0.5]]
    assert found.change_share.tolist() == [[0.0, pytest.approx(1 / 7)]]
    assert found.blocks["state", "control"] == (0.5, 0.0, 1.0, pytest.approx(1 / 7))
    assert found.by_output == (found.blocks["state", "control"]._replace(local=0.25, state_dependent=0.5,
                                                                          changes=pytest.approx(1 / 14)),)  # fmt: skip
    assert found.to_dict()["local_sparsity_quantiles"]["0.5"] == pytest.approx(0.25)


def test_a_new_episode_is_no_change() -> None:
    pattern = np.ones((1, 8, 1, 2))
    pattern[:, 4:, 0, 1] = 0.0
    begins = np.zeros((1, 8), dtype=bool)
    begins[0, [0, 4]] = True
    found = measure(rollouts(pattern, begins=begins), RAW)
    assert not found.changes.any()
    assert found.run_length == 4.0


def random_pattern(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An entry that is there at random, for several steps at a time; and contacts that know nothing of it."""
    rng = np.random.default_rng(seed)
    pattern = np.ones((4, 100, 1, 2))
    pattern[..., 0, 1] = np.repeat(rng.integers(0, 2, (4, 20)), 5, axis=1)
    return pattern, np.repeat(rng.integers(0, 2, (4, 25)), 4, axis=1)


def test_changes_at_contacts_are_found() -> None:
    pattern, _ = random_pattern(0)
    found = measure(rollouts(pattern, contacts=pattern[..., 0, 1].astype(int)), RAW)
    assert found.clustering == pytest.approx(1.0)
    assert found.p_value == pytest.approx(0.001)


def test_changes_beside_contacts_are_not() -> None:
    values = [measure(rollouts(*random_pattern(seed)), RAW).p_value for seed in range(12)]
    assert np.mean(np.array(values) < 0.1) < 0.35


def test_the_sensitivity_is_monotone_and_measures_do_not_depend_on_units() -> None:
    rng = np.random.default_rng(1)
    pattern = 10 ** rng.uniform(-9, 1, (2, 50, 3, 4))
    made = rollouts(pattern)
    found = measure(made)
    assert (np.diff(found.sensitivity[:, :2], axis=0) >= 0).all()
    unit = np.array([1e3, 1e-2, 7.0])
    scaled = Rollouts(
        **{
            **vars(made),
            "states": made.states * unit,
            "next_states": made.next_states * unit,
            "by_state": made.by_state * unit[:, None] / unit,
            "by_control": made.by_control * unit[:, None],
        }
    )
    np.testing.assert_allclose(measure(scaled).sensitivity, found.sensitivity)


def test_options_out_of_range_are_refused() -> None:
    for wrong in ({"threshold": -1.0}, {"threshold": np.inf}, {"permutations": 0}, {"threshold": "x"}):
        with pytest.raises(InvalidOption):
            MeasureOptions(**wrong)
    with pytest.raises(InvalidOption, match="x9"):
        measure(rollouts(np.ones((1, 2, 1, 2))), RAW, {"some": ["x9"]})
