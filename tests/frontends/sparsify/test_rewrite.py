"""Gates in place of the ReLUs of any torch model."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402

from relu2mip.errors import InvalidNetwork, UnsupportedNetwork  # noqa: E402
from relu2mip.frontends.sparsify import Gumbel, compact, gates_of, harden, sparsify  # noqa: E402
from tests.frontends.sparsify.models import NETWORKS, OBJECTIVES, OTHERS  # noqa: E402


class Shared(nn.Module):
    """ReLUs of every spelling; `twice` is called two times, `act` follows two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.act(self.first(x))
        h = self.act(self.twice(h))
        h = F.relu(self.twice(h))
        return torch.relu(self.last(h)) + self.last(h).relu()


def sizes(network: nn.Module) -> list[int]:
    return [gate.size for gate in gates_of(network).values()]


@pytest.mark.parametrize("name", OTHERS)
def test_a_hardened_model_is_the_original(name: str):
    make, shapes = OTHERS[name]
    model = make().eval()
    example = tuple(torch.randn(shape) for shape in shapes)
    network = harden(sparsify(model, example, Gumbel())).eval()
    torch.testing.assert_close(network(*example), model(*example))
    assert not gates_of(model)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_ready_architecture_hardened_is_the_original(name: str):
    objective = OBJECTIVES[name]()
    model = NETWORKS[name](objective)
    example = objective.example()
    torch.testing.assert_close(harden(sparsify(model, example, Gumbel()))(*example), model(*example))


def test_a_layer_that_is_called_twice_has_one_gate():
    network = sparsify(Shared(), torch.zeros(2, 3), Gumbel())
    assert sizes(network) == [4, 4, 2]


def test_units_are_channels_after_a_convolution_and_entries_after_it_is_flat():
    make, shapes = OTHERS["image"]
    network = sparsify(make(), torch.zeros(shapes[0]), Gumbel())
    assert sizes(network) == [6, 4, 8]
    assert [gate.axis for gate in gates_of(network).values()] == [1, 1, -1]


def test_a_gate_acts_on_its_channels():
    network = sparsify(nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU()), torch.zeros(2, 1, 4, 4), Gumbel()).eval()
    (gate,) = gates_of(network).values()
    gate.kind.copy_(torch.tensor([1, 2, 3]))
    x = torch.randn(2, 1, 4, 4)
    before = network.get_submodule("0")(x)
    expected = torch.stack([before[:, 0].relu(), before[:, 1], torch.zeros(2, 4, 4)], dim=1)
    torch.testing.assert_close(network(x), expected)


def test_weights_are_copied():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    network = sparsify(model, torch.zeros(1, 2), Gumbel())
    with torch.no_grad():
        network.get_submodule("0").weight.zero_()
    assert model[0].weight.abs().sum() > 0


class Residual(nn.Module):
    """In-place arithmetic that nothing else reads, as residual networks have it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act = nn.Linear(3, 3), nn.Linear(3, 3), nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.b(self.act(self.a(x)))
        h += x
        h = self.act(h)
        return h.mul_(2.0)


def test_arithmetic_in_place_that_nothing_else_reads():
    model, x = Residual(), torch.randn(5, 3)
    network = harden(sparsify(model, x, Gumbel())).eval()
    torch.testing.assert_close(network(x), model(x))
    torch.testing.assert_close(compact(network, (x,))(x), model(x))


class Overwritten(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.a(x)
        return self.b(self.act(h)) + h


class Dropping(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(self.a(x).relu(), training=self.training)


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu() if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("model", "shape", "error", "words"),
    [
        (Branching(), (2, 2), InvalidNetwork, "Branching cannot be traced by torch.fx.*control flow.*out of forward"),
        (nn.Linear(2, 2), (2, 2), InvalidNetwork, "Linear has no ReLU"),
        (
            nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
            (2, 3),
            InvalidNetwork,
            r"does not run .* \[\(2, 3\)\].*multiplied",
        ),
        (Overwritten(), (2, 3), UnsupportedNetwork, "in place, and something else reads"),
        (Dropping(), (2, 3), UnsupportedNetwork, "fixed when the model is traced"),
        (nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8), nn.ReLU()), (1, 2, 4), UnsupportedNetwork, "single layers"),
    ],
)
def test_a_model_that_cannot_be_rewritten_is_refused(model: nn.Module, shape: tuple[int, ...], error: type, words: str):
    with pytest.raises(error, match=words):
        sparsify(model, torch.zeros(shape), Gumbel())


def test_a_model_with_gates_is_refused():
    network = sparsify(Shared(), torch.zeros(2, 3), Gumbel())
    with pytest.raises(InvalidNetwork, match="has gates already"):
        sparsify(network, torch.zeros(2, 3), Gumbel())


def test_refusing_prints_nothing(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(InvalidNetwork):
        sparsify(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.zeros(2, 3), Gumbel())
    assert capsys.readouterr() == ("", "")
