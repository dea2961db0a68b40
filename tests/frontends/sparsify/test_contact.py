"""The contact network: exactly still beyond its reach, provably, and for any number of objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidOption, InvalidProblem, UnsupportedNetwork
from relu2mip.ir.lower import lower
from relu2mip.passes import simplify

torch = pytest.importorskip("torch")

from relu2mip.frontends.sparsify import (  # noqa: E402
    ChannelPruning,
    Coordinates,
    GateFamily,
    Gumbel,
    Linearisation,
    Member,
    Regression,
    Samples,
    Schedule,
    Simulation,
    Stability,
    Transitions,
    contact,
    export,
    harden,
    sparsify,
    train,
)

HAND = Coordinates(known={"hand": "hand + push"})
REACH, PAIR, MARGIN = 3.0, 4.0, 0.25


def discs(rollouts: int = 40, steps: int = 10, objects: int = 2, seed: int = 0) -> Transitions:
    """A hand that shoves what is within its reach, which shoves what is within that of it: crude, but local."""
    rng = np.random.default_rng(seed)
    x, hand = rng.uniform(-5, 5, (rollouts, objects, 2)), rng.uniform(-4, 4, (rollouts, 1, 2))
    states, controls = [], rng.uniform(-1, 1, (rollouts, steps, 2))
    for t in range(steps + 1):
        states.append(np.concatenate([x, hand], axis=1).reshape(rollouts, -1))
        if t < steps:
            near = np.maximum(1.0 - np.abs(x - hand).max(axis=2) / REACH, 0)
            shoved = 2 * near[..., None] * controls[:, t, None]
            apart = np.abs(x[:, :, None] - x[:, None]).max(axis=3) / PAIR
            passed = np.maximum(1.0 - apart, 0) * (1 - np.eye(objects))
            x, hand = x + shoved + 0.5 * np.einsum("bij,bin->bjn", passed, shoved), hand + controls[:, t, None]
    names = [f"{name}_{axis}" for name in (*(f"disc_{k}" for k in range(objects)), "hand") for axis in "xy"]
    return Transitions.of_trajectories(np.stack(states, axis=1), controls, None, names, ["push_x", "push_y"])


def objective() -> Simulation:
    return Simulation(discs(), coordinates=HAND)


def network(seed: int = 0, scale: float = 1.0) -> torch.nn.Module:
    made = contact(objective(), REACH, PAIR, own=(5, 4), pair=(6,), margin=MARGIN, seed=seed)
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(scale)
    return made.eval()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, r2m.Graph]:
    """Files of one network for two and for four objects."""
    given, folder = objective(), tmp_path_factory.mktemp("contact")
    gated = harden(sparsify(network(scale=3.0), given.example(), ChannelPruning())).eval()
    member = Member(None, 0, gated, {})
    return {n: r2m.load(export(member, given, folder / f"{n}.onnx", objects=n)) for n in (2, 4)}


def test_beyond_the_reach_all_is_exactly_still():
    """Whatever the weights; just within it something moves."""
    rng = np.random.default_rng(0)
    for seed in range(5):
        made = network(seed, scale=10.0)
        x, hand = rng.uniform(-100, 100, (400, 2, 2)), rng.uniform(-20, 20, (400, 1, 2))
        u = rng.uniform(-1, 1, (400, 2))
        states = np.concatenate([x, hand], axis=1).reshape(400, 6)
        with torch.no_grad():
            change = made(*(torch.as_tensor(part, dtype=torch.float32) for part in (states, u))).numpy()
        away = np.abs(x - hand).max(axis=2) >= REACH * (1 + MARGIN)
        apart = np.abs(x[:, 0] - x[:, 1]).max(axis=1) >= PAIR * (1 + MARGIN)
        still = away & (away.all(axis=1) | apart)[:, None]
        moved = np.abs(change[:, :4].reshape(400, 2, 2)).max(axis=2)
        assert still.sum() > 300
        assert (moved[still] == 0).all()
        np.testing.assert_allclose(change[:, 4:], u, atol=1e-6)
    x[:, 0] = hand[:, 0] + rng.uniform(-REACH, REACH, (400, 2))
    near = torch.as_tensor(np.concatenate([x, hand], axis=1).reshape(400, 6), dtype=torch.float32)
    with torch.no_grad():
        assert (made(near, torch.as_tensor(u, dtype=torch.float32))[:, :2] != 0).float().mean() > 0.8


def test_the_order_of_objects_does_not_matter():
    made, (states, controls) = network(), objective().inputs()
    swapped = states[:, [2, 3, 0, 1, 4, 5]]
    with torch.no_grad():
        torch.testing.assert_close(made(states, controls)[:, [2, 3, 0, 1, 4, 5]], made(swapped, controls))


def test_a_file_counts_relus_per_object_and_per_pair(files: dict[int, r2m.Graph]):
    """Two of each axis for what lies beyond the hand's reach, one of each axis and ordered pair."""
    for objects, net in files.items():
        assert simplify(lower(net)).form.relu_units == objects * (4 + 9) + objects * (objects - 1) * (2 + 6)


def problem(net: r2m.Graph, centres: np.ndarray, spread: float, horizon: int = 1) -> r2m.Trajectory:
    """States within `spread` of centres (N + 1, 2), the hand's last."""
    states = r2m.Box(-100, 100)
    start = r2m.Box(centres.ravel() - spread, centres.ravel() + spread)
    return r2m.Trajectory(
        net, horizon, start, r2m.Box(-1, 1), states=states, predicts="change", cost=r2m.costs.L1(state=1.0)
    )


@pytest.mark.parametrize("bounds", ["ibp", "crown"])
def test_pairs_that_bounds_prove_too_far_apart_vanish(bounds: str, files: dict[int, r2m.Graph]):
    """Two distant discs beside two near ones leave no unit: the program has as many as that of the near ones alone."""
    near = np.array([[0.5, 0.0], [2.0, 1.0], [0.0, 0.0]])
    far = np.array([[30.0, 30.0], [32.0, 30.0]])
    alone = r2m.compile(problem(files[2], near, 0.2), bounds=bounds)
    among = np.concatenate([near[:2], far, near[2:]])
    four = r2m.compile(problem(files[4], among, 0.2), bounds=bounds)
    assert four.statistics.units == 4 * 13 + 12 * 8
    assert four.statistics.binaries == alone.statistics.binaries > 0


@pytest.mark.parametrize("bounds", ["ibp", "crown"])
def test_a_distant_pair_leaves_nothing(bounds: str, files: dict[int, r2m.Graph]):
    """The hand is away from both, along one axis only; what lies beyond along the other may be anything."""
    two = files[2]
    away = r2m.compile(problem(two, np.array([[30.0, 3.0], [32.0, 0.0], [0.0, 0.0]]), 0.2), bounds=bounds)
    assert away.statistics.binaries == 0
    assert away.statistics.columns == problem(two, np.zeros((3, 2)), 1.0).n * 2 + 2 + 6


def test_objects_near_the_hand_but_far_apart_share_no_unit(files: dict[int, r2m.Graph]):
    """Both are pushed; of the units of pairs none is left."""
    apart = r2m.compile(problem(files[2], np.array([[2.6, 0.0], [-2.6, 0.0], [0.0, 0.0]]), 0.05), bounds="crown")
    sizes = {layer.units: layer for layer in apart.statistics.layers}
    assert sizes[2 * 6].inactive == 2 * 6
    assert sizes[2 * 5].unstable > 0


def test_what_was_trained_and_pruned_keeps_its_reach(tmp_path: Path):
    schedule = Schedule(units=(8, 4), epochs=30, round_epochs=1, finetune_epochs=1, batch=32, learning_rate=1e-2)
    given = objective()
    family = train(network(), given, schedule, ChannelPruning(scope="network"))
    assert family[0].errors["1 step"] < 0.6
    assert [member.relus for member in family] == [6 + 15, 6 + 8, 6 + 4]
    path = export(family[-1], given, tmp_path / "four.onnx", objects=4)
    net = r2m.load(path)
    far = np.array([[30.0, 30.0], [32.0, 30.0], [-20.0, 0.0], [0.0, 9.0], [0.0, 0.0]])
    assert r2m.compile(problem(net, far, 0.2), bounds="ibp").statistics.binaries == 0
    states, controls = (x[:20].numpy() for x in Simulation(discs(objects=4), coordinates=HAND).inputs())
    with torch.no_grad():
        expected = family[-1].network(torch.as_tensor(states), torch.as_tensor(controls)).numpy()
    found = net.evaluate(states=states, controls=controls)
    np.testing.assert_allclose(next(iter(found.values())), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"hand_reach": 0.0}, InvalidOption, "must be positive"),
        ({"margin": -1.0}, InvalidOption, "must be positive"),
        ({"own": ()}, InvalidOption, "own is"),
        ({"pair": (4, 0)}, InvalidOption, "and pair"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, error: type, words: str):
    with pytest.raises(error, match=words):
        contact(objective(), **{"hand_reach": REACH, "pair_reach": PAIR, **options})


@pytest.mark.parametrize("family", [Gumbel(), Linearisation(), Stability()])
def test_gates_that_make_lines_are_refused(family: GateFamily):
    """A line would move what is out of reach."""
    with pytest.raises(UnsupportedNetwork, match=r"are off nowhere.*make units zero"):
        sparsify(network(), objective().example(), family)


def test_objectives_without_objects_and_a_hand_are_refused():
    data = discs()
    for given, words in [
        (Regression(Samples.of(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9) ** 2)), "give a Simulation"),
        (Simulation(data, window=2, coordinates=HAND), "give a Simulation"),
        (Simulation(data), "give coordinates.known of the hand"),
        (Simulation(data, coordinates=Coordinates(("disc_0 - hand",), known=HAND.known)), "no others"),
        (Simulation(data, coordinates=Coordinates(known={"hand_x": "hand_x + push_x"})), "which the states end with"),
    ]:
        with pytest.raises(InvalidProblem, match=words):
            contact(given, REACH, PAIR)
    one = discs(objects=1)
    with pytest.raises(InvalidProblem, match="4 states are not two or more objects"):
        contact(Simulation(one, coordinates=HAND), REACH, PAIR)
