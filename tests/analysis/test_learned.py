"""Recovery is what it says, Jacobians of networks are those of autograd, and matching beats prediction on its own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from relu2mip.analysis import StepFunction, jacobians
from relu2mip.analysis.comparison import Learned, Mean, summarise
from relu2mip.analysis.recovery import Recovery, average_precision, recovery
from relu2mip.errors import InvalidData, InvalidOption, UnknownOption


def test_average_precision_by_hand() -> None:
    there = np.array([True, False, True, False])
    assert average_precision(np.array([4.0, 3.0, 2.0, 1.0]), there)[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision(np.zeros(4), there) == (0.5, 0.5)  # one score for all knows nothing
    assert np.isnan(average_precision(np.zeros(2), np.array([True, True]))[0])


def test_recovery_leaves_the_diagonal_out_and_asks_globally_by_the_largest() -> None:
    true = np.zeros((2, 2, 3))
    true[0, 0, 2] = 1.0
    true[:, [0, 1], [0, 1]] = 1.0
    found = recovery(true, true, 1e-3)
    assert (found.local, found.everywhere) == (1.0, 1.0)
    assert (found.local_chance, found.everywhere_chance) == (1 / 8, 1 / 4)
    assert found.local_static == 1 / 2  # that entry is there at one of two states
    assert found.miscalibration == 0.0
    assert recovery(np.ones_like(true), true, 1e-3).miscalibration > 0.5


def switched() -> StepFunction:
    """The second state is pushed only where the first is above 0, which a control moves."""

    def step(x: np.ndarray, u: np.ndarray) -> list[float]:
        return [0.9 * x[0] + 0.3 * u[0], 0.9 * x[1] + max(x[0], 0.0) + 0.2 * u[1]]

    return StepFunction(step, lambda rng: rng.uniform(-1, 1, 2), [-1.0, -1.0], [1.0, 1.0])


def test_the_jacobian_of_a_core_is_that_of_autograd() -> None:
    torch = pytest.importorskip("torch")
    from relu2mip.analysis.learned import core_jacobian
    from relu2mip.frontends.sparsify.networks.mlp import layers

    torch.manual_seed(0)
    core, z = layers(3, (8, 5), 2), torch.randn(6, 3)
    one_by_one = torch.stack([torch.autograd.functional.jacobian(core, row) for row in z])
    torch.testing.assert_close(core_jacobian(core, z), one_by_one)


def test_models_learn_and_are_compared() -> None:
    pytest.importorskip("torch")
    from relu2mip.analysis.learned import LearnOptions, learn

    runs = jacobians(switched(), rollouts=20, steps=60)
    options = LearnOptions(hidden=(16, 16), epochs=60, units=(8,), batch=64)
    models = learn(runs, seeds=(0,), options=options)
    found = {one.kind: one for one in models}
    assert set(found) == {"prediction", "l1", "matching", "gates 8", "scratch 8"}
    for one in found.values():
        assert one.error < 0.5
        assert one.recovery.local > one.recovery.local_chance
        assert one.relus <= (one.units or 32)
    assert found["matching"].error < 0.2
    assert found["matching"].recovery.local > 0.9
    again = learn(runs, ["prediction"], (0,), options)[0]
    assert again.to_dict() == found["prediction"].to_dict()
    assert [one.kind for one in summarise(models)] == list(found)


def model(method: str, seed: int, local: float, units: int | None = None) -> Learned:
    return Learned(method, seed, units, 4, 0.1, Recovery(local, 0.25, 0.4, 0.5, 0.5, np.zeros((1, 2))))


def test_summaries_pair_seeds_and_have_intervals_of_student() -> None:
    models = [model("prediction", s, 0.5 + 0.1 * s) for s in range(5)]
    models += [model("gates", s, 0.6 + 0.1 * s, 8) for s in range(5)]
    plain, gates = summarise(models)
    assert (plain.kind, plain.seeds, plain.gain, plain.static) == ("prediction", 5, None, 0.4)
    wanted = stats.t.interval(0.95, 4, loc=0.7, scale=stats.sem([0.5, 0.6, 0.7, 0.8, 0.9]))
    np.testing.assert_allclose(plain.local, (0.7, *wanted))
    assert gates.kind == "gates 8"
    np.testing.assert_allclose(gates.gain, (0.1, 0.1, 0.1))
    assert summarise([model("l1", 0, 0.5)])[0].gain is None
    assert np.isnan(Mean.of([1.0]).low)


def test_bad_input_is_refused() -> None:
    pytest.importorskip("torch")
    from relu2mip.analysis.learned import LearnOptions, learn

    runs = jacobians(switched(), rollouts=1, steps=20)
    with pytest.raises(InvalidData, match="two rollouts"):
        learn(runs)
    with pytest.raises(UnknownOption, match="matching"):
        learn(runs, ["matchin"])
    with pytest.raises(InvalidOption, match="epochs"):
        LearnOptions(epochs=0)
    with pytest.raises(UnknownOption, match="gumbel"):
        LearnOptions(gates="gumble")
    for units in ((), (8, 8), (128,), (0,)):
        with pytest.raises(InvalidOption, match="units"):
            LearnOptions(units=units)
    for wrong in ({"threshold": -1}, {"held_out": 1.0}, {"l1_weight": -1.0}, {"learning_rate": 0.0}):
        with pytest.raises(InvalidOption):
            LearnOptions(**wrong)
