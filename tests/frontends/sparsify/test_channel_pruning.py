"""Channel pruning: which units go, layer by layer and over the network; what it refuses."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from relu2mip.errors import InvalidOption, UnsupportedNetwork  # noqa: E402
from relu2mip.frontends.sparsify import ChannelPruning, Kind, gates_of, sparsify  # noqa: E402
from tests.frontends.sparsify.models import Messages, Mixed, image  # noqa: E402


def gated(network: nn.Module) -> list[int]:
    return [gate.count(Kind.GATED) for gate in gates_of(network).values()]


def network(*scales: float) -> nn.Sequential:
    """Layers of four units whose rows have L1 norms scale * (1, 3, 2, 4), in that order."""
    parts: list[nn.Module] = []
    for scale in scales:
        layer = nn.Linear(4, 4)
        layer.weight.data = scale * torch.tensor([1.0, -3.0, 2.0, 4.0])[:, None] * torch.full((4, 4), 0.25)
        parts += [layer, nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(4, 1))


@pytest.mark.parametrize(
    ("scope", "keep", "left"),
    [
        ("layer", 6, [[1, 2, 3], [1, 2, 3]]),
        ("layer", 4, [[1, 3], [1, 3]]),
        ("layer", 2, [[3], [3]]),
        ("layer", 1, [[], [3]]),
        ("network", 6, [[1, 3], [0, 1, 2, 3]]),
        ("network", 4, [[3], [1, 2, 3]]),
        ("network", 2, [[3], [3]]),
    ],
)
def test_the_smallest_rows_go_first(scope: str, keep: int, left: list[list[int]]):
    family = ChannelPruning(scope)
    found = sparsify(network(1.0, 3.0), torch.zeros(1, 4), family)
    family.narrow(found, keep)
    assert [torch.nonzero(gate.kind == Kind.GATED).flatten().tolist() for gate in gates_of(found).values()] == left
    assert all(gate.count(Kind.ZERO) + gate.count(Kind.GATED) == 4 for gate in gates_of(found).values())


def test_rounds_go_on_where_the_last_one_ended():
    family = ChannelPruning()
    found = sparsify(network(1.0, 3.0), torch.zeros(1, 4), family)
    for keep in (6, 4, 2, 0):
        family.narrow(found, keep)
        assert gated(found) == [keep // 2, keep // 2]


def test_layers_that_are_added_count_together():
    family = ChannelPruning()
    model = Messages()
    with torch.no_grad():
        model.edge.weight.fill_(0.1)
        model.push.weight.copy_(torch.tensor([[5.0], [1.0], [4.0], [2.0], [3.0]]))
    found = sparsify(model, (torch.rand(7, 3, 2), torch.rand(7, 1)), family)
    family.narrow(found, 3)
    assert torch.nonzero(found.gates[0].kind == Kind.GATED).flatten().tolist() == [0, 2]


def test_convolutions_are_ranked_by_filter():
    family = ChannelPruning()
    model = image()
    with torch.no_grad():
        for k, size in enumerate((3, 1, 2, 6, 5, 4)):
            model[0].weight[k] = size
    found = sparsify(model, torch.rand(2, 1, 8, 8), family)
    family.narrow(found, 9)
    assert torch.nonzero(found.gates[0].kind == Kind.GATED).flatten().tolist() == [3, 4, 5]


def test_transposed_convolutions_are_ranked_by_their_outputs():
    family = ChannelPruning()
    model = nn.Sequential(nn.ConvTranspose2d(2, 3, 2), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 3.0, 2.0])[None, :, None, None].expand(2, 3, 2, 2))
    found = sparsify(model, torch.rand(2, 2, 4, 4), family)
    family.narrow(found, 1)
    assert torch.nonzero(found.gates[0].kind == Kind.GATED).flatten().tolist() == [1]


def test_units_without_weights_are_refused_at_once():
    with pytest.raises(UnsupportedNetwork, match=r"gates\.3.*3 units are not the rows of one layer's weights"):
        sparsify(Mixed(), torch.rand(7, 6), ChannelPruning())


def test_another_scope_is_refused():
    with pytest.raises(InvalidOption, match='scope is global; give "layer" or "network"'):
        ChannelPruning(scope="global")
