"""Compaction and export: the same function with the surviving ReLUs alone, down to the normal form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from torch import nn  # noqa: E402

import relu2mip as r2m  # noqa: E402
from relu2mip.errors import InvalidNetwork, InvalidOption  # noqa: E402
from relu2mip.frontends.sparsify import Gumbel, Kind, Member, compact, export, gates_of, sparsify  # noqa: E402
from relu2mip.ir.lower import lower  # noqa: E402
from relu2mip.passes import simplify  # noqa: E402
from tests.frontends.sparsify.models import NETWORKS, OBJECTIVES, OTHERS, randomise  # noqa: E402

SHARES = [(0.3, 0.3, 0.4), (0.7, 0.0, 0.3), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.1, 0.5, 0.4)]


def agree(network: nn.Module, example: tuple[torch.Tensor, ...]) -> nn.Module:
    compacted = compact(network, example)
    more = tuple(torch.cat([x, x.flip(0)]) for x in example)
    torch.testing.assert_close(compacted(*more), network(*more), rtol=1e-4, atol=1e-5)
    assert not gates_of(compacted)
    return compacted


def kept(network: nn.Module) -> int:
    return sum(gate.count(Kind.RELU) for gate in gates_of(network).values())


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("name", OTHERS)
def test_any_model_stays_the_same_function(name: str, shares: tuple[float, float, float]):
    torch.manual_seed(0)
    make, shapes = OTHERS[name]
    for seed in range(4):
        example = tuple(torch.randn(shape) for shape in shapes)
        network = randomise(sparsify(make(), example, Gumbel()), seed, shares)
        assert agree(network, example).meta["relus"] <= kept(network)


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_ready_architecture_stays_the_same_function(name: str, shares: tuple[float, float, float]):
    objective = OBJECTIVES[name]()
    for seed in range(3):
        network = randomise(sparsify(NETWORKS[name](objective), objective.example(), Gumbel()), seed, shares)
        compacted = agree(network, objective.inputs())
        widths = [m.out_features for n, m in compacted.named_modules() if isinstance(m, nn.Linear)]
        assert all(widths)
        assert compacted.meta["relus"] <= kept(network)


def test_units_that_nothing_reads_and_constant_units_are_gone():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        model[2].weight[:, 0] = 0.0  # nothing reads the first unit of the first layer
        model[2].weight[1] = 0.0  # the second unit of the second layer is constant
    network = sparsify(model, torch.zeros(2, 2), Gumbel())
    network.gates[0].kind.fill_(int(Kind.RELU))
    network.gates[1].kind.copy_(torch.tensor([Kind.RELU, Kind.RELU, Kind.ZERO]))
    assert agree(network.eval(), (torch.randn(9, 2),)).meta["relus"] == 3


def test_identities_are_folded_and_zeros_dropped():
    model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 1))
    network = sparsify(model, torch.zeros(2, 2), Gumbel())
    network.gates[0].kind.copy_(torch.tensor([2, 2, 3, 3, 2]))
    network.gates[1].kind.copy_(torch.tensor([1, 2, 3, 1, 2]))
    compacted = agree(network.eval(), (torch.randn(9, 2),))
    shapes = [tuple(m.weight.shape) for m in compacted.modules() if isinstance(m, nn.Linear)]
    assert shapes == [(2, 2), (1, 4)]  # two ReLUs of the input; the output reads the input and both


def test_a_gated_network_is_refused():
    network = sparsify(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(2, 2), Gumbel())
    with pytest.raises(InvalidNetwork, match=r"gates\.0 has gated units; harden"):
        compact(network, (torch.zeros(2, 2),))


def member_of(name: str, seed: int = 0) -> tuple[Member, object]:
    objective = OBJECTIVES[name]()
    network = randomise(sparsify(NETWORKS[name](objective), objective.example(), Gumbel()), seed)
    relus = compact(network, objective.example()).meta["relus"]
    return Member(kept(network), relus, network, objective.errors(network)), objective


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_compiles_to_the_surviving_relus(name: str, tmp_path: Path):
    """Per step of the unrolled normal form: one for each unit, pair or object that a shared unit stands for."""
    member, objective = member_of(name)
    net = r2m.load(export(member, objective, tmp_path / "model.onnx"))
    form = simplify(lower(net)).form
    if "interaction" not in name:
        expected = kept(member.network)
    else:
        edge, node = (gate for gate in gates_of(member.network).values()) if name.startswith("w") else (None, None)
        gates = list(gates_of(member.network).values())
        times = [6, 3] if edge is not None and node is not None else [6, 6, 3, 3]
        expected = sum(n * gate.count(Kind.RELU) for n, gate in zip(times, gates, strict=True))
    assert 0 < form.relu_units == expected
    if name == "function":
        return
    n, m = objective.data.state.shape[1], objective.data.control.shape[1]
    window = objective.window
    problem = r2m.Trajectory(
        net,
        horizon=3,
        initial_state=np.zeros((window, n)) if window > 1 else np.zeros(n),
        previous_controls=np.zeros((window - 1, m)) if window > 1 else None,
        window=window,
        predicts="change",
        controls=r2m.Box(-1, 1),
    )
    assert problem.unrolled.form.relu_units == 3 * expected
    states, controls = (x[:5].numpy() for x in objective.inputs())
    with torch.no_grad():
        found = member.network(*(x[:5] for x in objective.inputs())).numpy()
    values = net.evaluate(states=states, controls=controls)
    np.testing.assert_allclose(next(iter(values.values())).reshape(found.shape), found, atol=1e-5)


def test_the_file_has_no_masks_no_random_numbers_and_its_metadata(tmp_path: Path):
    member, objective = member_of("mlp")
    path = export(member, objective, tmp_path / "model.onnx")
    model = onnx.load(path)
    assert {node.op_type for node in model.graph.node} <= {"Concat", "Gemm", "Relu"}
    assert str(tmp_path) not in str(model)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    keys = ["relus", "units", "errors", "errors_on", "normalisation", "predicts", "window", "state_names"]
    assert list(metadata) == [f"relu2mip.{key}" for key in (*keys, "control_names", "state_range", "control_range")]
    assert metadata["relu2mip.errors_on"] == '"validation part"'
    assert metadata["relu2mip.relus"] == str(member.relus)
    assert list(tmp_path.iterdir()) == [path]


def test_another_number_of_objects(tmp_path: Path):
    member, objective = member_of("interaction")
    path = export(member, objective, tmp_path / "five.onnx", objects=5)
    net = r2m.load(path)
    assert [port.shape for port in net.inputs] == [(10,), (1,)]
    edge, edge2, node, node2 = (gate.count(Kind.RELU) for gate in gates_of(member.network).values())
    assert simplify(lower(net)).form.relu_units == 20 * (edge + edge2) + 5 * (node + node2)
    states = torch.randn(4, 10)
    with torch.no_grad():
        expected = member.network(states, torch.ones(4, 1))
    feeds = {"states": states.numpy(), "controls": np.ones((4, 1), dtype=np.float32)}
    (found,) = onnxruntime.InferenceSession(path).run(None, feeds)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(InvalidOption, match="at least 2"):
        export(member, objective, tmp_path / "one.onnx", objects=1)
    member, objective = member_of("mlp")
    with pytest.raises(InvalidOption, match="no interaction network"):
        export(member, objective, tmp_path / "mlp.onnx", objects=3)


def test_a_file_that_differs_from_torch_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    member, objective = member_of("function")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")

    def wrong(network: nn.Module, example: tuple[torch.Tensor, ...]) -> nn.Module:
        compacted = compact(network, example)
        with torch.no_grad():
            next(m for m in compacted.modules() if isinstance(m, nn.Linear)).bias += 0.01
        return compacted

    monkeypatch.setattr("relu2mip.frontends.sparsify.onnx_export.compact", wrong)
    with pytest.raises(InvalidNetwork, match="onnxruntime and torch differ by"):
        export(member, objective, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
