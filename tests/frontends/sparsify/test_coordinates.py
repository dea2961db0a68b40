"""Coordinates: what the network computes in them by hand, in the file, in plans; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import relu2mip as r2m  # noqa: E402
from relu2mip.errors import InvalidData, InvalidOption, InvalidProblem, Relu2MipError, UnknownOption  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Coordinates,
    Gumbel,
    Member,
    Schedule,
    Simulation,
    Transitions,
    densenet,
    export,
    interaction,
    load_member,
    mlp,
    sparsify,
    train,
)
from relu2mip.frontends.sparsify.onnx_export import relus  # noqa: E402
from relu2mip.ir.lower import lower  # noqa: E402
from relu2mip.passes import simplify  # noqa: E402
from tests.frontends.sparsify.models import randomise, system  # noqa: E402
from tests.frontends.sparsify.pushing import CONTROLS, COORDINATES, STATES, pushing  # noqa: E402

DATA = pushing()
TARGETS = ("corner_0 - hand + 3", "corner_1 - corner_0 + 2 * corner_0 - 1")
OTHERS = {
    "features and known": COORDINATES,
    "targets": Coordinates(targets=(*TARGETS, "hand"), features=("corner_0 / 2 - hand + 1", "push", "hand")),
    "targets and known": replace(COORDINATES, targets=TARGETS),
    "known with a constant": Coordinates(
        known={"hand_y": "hand_y + push_y + 0 * corner_0_x", "hand_x": "hand_x + push_x"}
    ),
    "nothing": Coordinates(),
}


class Scale(nn.Module):
    """A core that is easy to compute by hand."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = torch.arange(inputs * outputs).reshape(outputs, inputs).sin()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x @ self.weight.T).relu()


def features_by_hand(coordinates: Coordinates, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    c0, c1, hand = x[:, 0:2], x[:, 2:4], x[:, 4:6]
    if coordinates.features == COORDINATES.features:
        return np.concatenate([c0 - hand, c1 - hand, u], axis=1)
    if coordinates.features:
        return np.concatenate([c0 / 2 - hand + 1, u, hand], axis=1)
    return np.concatenate([x, u], axis=1)


def next_by_hand(coordinates: Coordinates, predicts: str, x: np.ndarray, u: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The next state, from the change of the targets or from their next values."""
    c0, c1, hand = x[:, 0:2], x[:, 2:4], x[:, 4:6]
    if not coordinates.targets:
        learned = 4 if coordinates.known else 6
        result = np.concatenate([x[:, :4], hand + u], axis=1) if coordinates.known else x.copy()
        result[:, :learned] = y + x[:, :learned] * (predicts == "change")
        return result
    if predicts == "change":
        targets = [c0 - hand + 3, c1 + c0 - 1, hand]
        y = y + np.concatenate(targets[: y.shape[1] // 2], axis=1)
    hand = hand + u if coordinates.known else y[:, 4:6]
    c0 = y[:, 0:2] - 3 + hand
    return np.concatenate([c0, y[:, 2:4] + 1 - c0, hand], axis=1)


@pytest.mark.parametrize("predicts", ["change", "state"])
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("name", OTHERS)
def test_the_network_is_its_core_in_these_coordinates(name: str, window: int, predicts: str):
    coordinates = OTHERS[name]
    objective = Simulation(DATA, window=window, predicts=predicts, coordinates=coordinates, validation=0.0)
    sizes = objective.encoding.into.weight.shape[0], objective.encoding.out.weight.shape[1]
    states, controls = (x.double().numpy() for x in objective.inputs())
    pasts = [(states[:, 6 * t : 6 * t + 6], controls[:, 2 * t : 2 * t + 2]) for t in range(window)]
    features = np.concatenate([features_by_hand(coordinates, x, u) for x, u in pasts], axis=1)
    everything = features_by_hand(coordinates, DATA.state, DATA.control)  # of all rows: the units
    mean, spread = (np.tile(f(everything, axis=0), window) for f in (np.mean, np.std))
    seen = (features - mean) / spread
    core = Scale(*sizes)
    network = mlp(objective, (2,))
    network.core = core
    with torch.no_grad():
        found = network(*objective.inputs()).double().numpy()
        given = core(torch.tensor(seen).float()).double().numpy()
    following = DATA.next_state.astype(np.float64)
    units = {
        "change": _targets(coordinates, following) - _targets(coordinates, DATA.state.astype(np.float64)),
        "state": _targets(coordinates, following),
    }[predicts]
    spread = units.std(axis=0)
    y = given * np.where(spread > 1e-6 * np.abs(units).max(axis=0), spread, 1.0) + units.mean(axis=0)
    expected = next_by_hand(coordinates, predicts, *pasts[-1], y) - pasts[-1][0] * (predicts == "change")
    np.testing.assert_allclose(found, expected, atol=2e-4)


def _targets(coordinates: Coordinates, x: np.ndarray) -> np.ndarray:
    c0, c1, hand = x[:, 0:2], x[:, 2:4], x[:, 4:6]
    if not coordinates.targets:
        return x[:, :4] if coordinates.known else x
    return np.concatenate([c0 - hand + 3, c1 + c0 - 1] + ([] if coordinates.known else [hand]), axis=1)


@pytest.mark.parametrize("predicts", ["change", "state"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_file_has_the_coordinates_and_no_unit_more(name: str, predicts: str, tmp_path: Path):
    objective = Simulation(DATA, predicts=predicts, coordinates=OTHERS[name], horizons=(1,))
    network = randomise(sparsify(mlp(objective, (8, 8), skip=True), objective.example(), Gumbel()), 1)
    member = Member(None, relus(network, objective), network, objective.errors(network))
    net = r2m.load(export(member, objective, tmp_path / "model.onnx"))
    form = simplify(lower(net)).form
    assert form.relu_units == member.relus
    states, controls = (x[:50] for x in objective.inputs())
    found = net.evaluate(states=states.numpy(), controls=controls.numpy())[objective.output_name]
    with torch.no_grad():
        np.testing.assert_allclose(found, network(states, controls).numpy(), atol=1e-5)
    if OTHERS[name].known:
        base = 0 if predicts == "change" else states.numpy()[:, 4:]
        np.testing.assert_array_equal(found[:, 4:].astype(np.float32), base + controls.numpy())


def test_what_is_known_needs_no_learning_and_does_not_count():
    objective = Simulation(DATA, coordinates=COORDINATES, steps=3, horizons=(1, 5), validation=0.2)
    network = mlp(objective, (8,))
    deviations = objective.deviations(network, 5)
    np.testing.assert_allclose(deviations.error[:, 4:], 0, atol=1e-5)
    assert np.abs(deviations.error[:, :4]).max() > 0.1
    learned = deviations.error[:, :4] / np.where(
        deviations.change[:, :4].std(axis=0) > 0, deviations.change[:, :4].std(axis=0, ddof=1), 1.0
    )
    assert objective.errors(network)["5 steps"] == pytest.approx(np.sqrt((learned**2).mean()), rel=1e-5)
    index = torch.arange(20)
    states, controls = (part[index] for part in objective._training)
    with torch.no_grad():
        error = (objective.rollout(network, states[:, :1], controls) - states[:, 1:])[..., :4].double().numpy()
        spread = (DATA.next_state - DATA.state)[~objective._held_out, :4].std(axis=0)
        expected = ((error / np.where(spread > 1e-6, spread, 1.0)) ** 2).mean()
        assert float(objective.loss(network, index)) == pytest.approx(expected, rel=1e-4)


def test_a_family_in_coordinates_is_trained_planned_with_and_read_back(tmp_path: Path):
    objective = Simulation(pushing(80), coordinates=COORDINATES, horizons=(1, 5))
    network = mlp(objective, (8, 8))
    schedule = Schedule(units=(3,), epochs=60, round_epochs=40, finetune_epochs=40, batch=64, learning_rate=1e-2)
    full, few = train(network, objective, schedule, Gumbel(), tmp_path / "run")
    assert full.errors["1 step with motion"] < 0.2
    assert few.errors["1 step with motion"] < 0.4
    again = load_member(network, objective, Gumbel(), tmp_path / "run")
    assert torch.equal(again.network(*objective.example()), few.network(*objective.example()))
    problem = r2m.Trajectory(
        r2m.load(few.path),
        horizon=4,
        initial_state=[0.5, 0.1, 0.5, 0.6, 0.0, 0.0],
        controls=r2m.Box(-0.3, 0.7),
        cost=r2m.costs.L1(target=[1.2, 0.1, 1.2, 0.6, 0, 0], state=[1, 0, 1, 0, 0, 0]),
    )
    assert problem.unrolled.form.relu_units == 4 * few.relus
    answer = r2m.solve(problem)
    assert answer.states[-1, 0] == pytest.approx(1.2, abs=0.05)
    np.testing.assert_allclose(np.diff(answer.states[:, 4:], axis=0), answer.controls, atol=1e-5)


def test_the_file_says_its_coordinates(tmp_path: Path):
    objective = Simulation(DATA, coordinates=replace(COORDINATES, targets=TARGETS))
    network = randomise(sparsify(mlp(objective, (4,)), objective.example(), Gumbel()), 0)
    net = r2m.load(export(Member(4, relus(network, objective), network, {}), objective, tmp_path / "m.onnx"))
    metadata = objective.metadata()
    assert metadata["coordinates"]["features"][:2] == ["corner_0_x - hand_x", "corner_0_y - hand_y"]
    assert metadata["coordinates"]["known"] == {"hand": "hand + push"}
    assert metadata["motion"] == pytest.approx(DATA.moved.mean())
    assert set(objective.normalisation()) == {"features", "targets"}
    assert net.source is not None
    assert "corner_0_x - hand_x" in net.source.metadata["relu2mip.coordinates"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"features": ("corner_2 - hand",)}, UnknownOption, r"name in coordinates.features\[0\]: 'corner_2'"),
        (
            {"features": ("push", "hand_x * 2 + hand_y ** 2")},
            InvalidOption,
            r"coordinates.features\[1\]: .* not affine",
        ),
        (
            {"features": ("hand - hand",)},
            InvalidOption,
            "coordinates.features: 'hand_x - hand_x' is the same everywhere",
        ),
        ({"features": "hand"}, InvalidOption, "coordinates.features is 'hand'; give a list"),
        ({"targets": ("corner_0 + push",)}, UnknownOption, r"name in coordinates.targets\[0\]: 'push'"),
        ({"targets": ("corner_0", "corner_1")}, InvalidOption, "do not determine hand_x, hand_y; add"),
        ({"targets": ("corner_0", "2 * corner_0", "hand")}, InvalidOption, "do not determine corner_1_x, corner_1_y"),
        ({"targets": (*STATES, "corner_0 - hand")}, InvalidOption, "leave out 2 of the targets"),
        ({"known": {"hands": "hand + push"}}, UnknownOption, "name in coordinates.known: 'hands': did you mean 'hand'"),
        ({"known": {"hand": "hand + pull"}}, UnknownOption, "name in coordinates.known.hand: 'pull'"),
        ({"known": {"hand": "hand_x + push_x"}}, InvalidOption, "which gives hand, not hand_x, hand_y"),
        ({"known": {"hand": "hand + push", "hand_x": "hand_x"}}, InvalidOption, "gives hand_x twice"),
        ({"known": {"push": "push"}}, UnknownOption, "name in coordinates.known: 'push'"),
        ({"known": dict.fromkeys(("corner_0", "corner_1", "hand"), "hand")}, InvalidOption, "has every state"),
        ({"known": ["hand"]}, InvalidOption, "give an expression for each name"),
    ],
)
def test_coordinates_that_cannot_be_used(options: dict, error: type[Relu2MipError], words: str):
    with pytest.raises(error, match=words):
        Coordinates(**options).maps(STATES, CONTROLS)


def test_what_does_not_hold_in_the_data_is_not_known():
    with pytest.raises(InvalidData, match=r"the next hand_x of row \d+ is 0.5, 0.\d+ off .*% of the rows; leave it"):
        Simulation(pushing(wall=0.5), coordinates=COORDINATES)


def test_two_columns_of_one_name_are_refused_only_where_names_are_used():
    data = system()
    data = Transitions.of(data.state, data.control, data.next_state, data.rollout, ["x", "x"])
    Simulation(data)
    with pytest.raises(InvalidOption, match="x is the name of two columns"):
        Simulation(data, coordinates=Coordinates(features=("2 * x",)))


def test_networks_that_take_coordinates():
    objective = Simulation(DATA, coordinates=COORDINATES)
    assert [layer.in_features for layer in densenet(objective, growth=4, layers=2).core[0].layers] == [6, 10]
    with pytest.raises(InvalidProblem, match="leave out coordinates"):
        interaction(objective, 2)


def test_a_skip_makes_affine_dynamics_exact_without_units():
    """Identities apart: every unit is zero."""
    data = system()
    affine = Transitions.of(data.state, data.control, 0.9 * data.state + 0.3 * data.control, state_names=["x", "v"])
    objective = Simulation(affine, horizons=(1,))
    schedule = Schedule(epochs=0, finetune_epochs=0, polish=60)
    networks = [mlp(objective, (1,), skip=skip) for skip in (False, True)]
    without, skipped = (train(network, objective, schedule, Gumbel())[-1] for network in networks)
    assert skipped.errors["1 step"] < 1e-3 < without.errors["1 step"]
