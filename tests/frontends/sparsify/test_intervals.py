"""Interval bounds of what gates read: sound on every architecture, those of the compiler on a chain, with gradients."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import operator  # noqa: E402

from torch import nn  # noqa: E402

import relu2mip as r2m  # noqa: E402
from relu2mip.bounds.ibp import propagate  # noqa: E402
from relu2mip.errors import UnsupportedNetwork  # noqa: E402
from relu2mip.frontends.sparsify import Regression, Schedule, Stability, gates_of, mlp, sparsify, train  # noqa: E402
from relu2mip.frontends.sparsify.intervals import gate_bounds  # noqa: E402
from relu2mip.ir.lower import lower  # noqa: E402
from relu2mip.normal_form import Input, Relu  # noqa: E402
from relu2mip.passes import simplify  # noqa: E402
from tests.frontends.sparsify.models import NETWORKS, OBJECTIVES, OTHERS, randomise, samples  # noqa: E402


def check_sound(network: nn.Module, inputs: tuple[torch.Tensor, ...], seed: int) -> dict:
    """Every pre-activation at random points of a box is within its bounds; returns the bounds."""
    generator = torch.Generator().manual_seed(seed)
    low = [x.amin(dim=0) - 0.1 for x in inputs]
    high = [x.amax(dim=0) + 0.1 for x in inputs]
    bounds = gate_bounds(network, low, high)
    seen: list[str] = []

    def watch(name: str):
        def hook(gate: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            x = args[0].movedim(gate.axis, -1).reshape(-1, gate.size)
            slack = 1e-4 * (1 + x.abs().max())
            assert bool((x >= bounds[name][0] - slack).all())
            assert bool((x <= bounds[name][1] + slack).all())
            seen.append(name)

        return hook

    for name, gate in gates_of(network).items():
        gate.register_forward_pre_hook(watch(name))
    points = [a + (b - a) * torch.rand((200, *a.shape), generator=generator) for a, b in zip(low, high, strict=True)]
    ends = [torch.stack([a, b]) for a, b in zip(low, high, strict=True)]
    corners = [end.gather(0, torch.randint(2, (200, *end.shape[1:]), generator=generator)) for end in ends]
    with torch.no_grad():
        network(*points)
        network(*corners)
    assert set(seen) == set(bounds) == set(gates_of(network))
    return bounds


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", NETWORKS)
def test_bounds_hold_for_every_architecture(kind: str, seed: int):
    objective = OBJECTIVES[kind]()
    network = sparsify(NETWORKS[kind](objective), objective.example(), Stability())
    check_sound(copy.deepcopy(network).eval(), objective.inputs(), seed)
    check_sound(randomise(network, seed), objective.inputs(), seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["messages", "image"])
def test_bounds_hold_for_other_models(kind: str, seed: int):
    make, shapes = OTHERS[kind]
    torch.manual_seed(seed)
    inputs = tuple(torch.randn(shape) for shape in shapes)
    check_sound(randomise(sparsify(make(), inputs, Stability()), seed), inputs, seed)


class Arithmetic(nn.Module):
    """Every kind of sum, difference, product and quotient before a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(4, 5)
        self.register_buffer("factors", torch.tensor([1.0, -2.0, 0.0, 3.0, -1.0]))
        self.register_buffer("matrix", torch.randn(5, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.a(x), self.b(x)
        g = (a - b * self.factors).relu() - torch.relu(1.5 - a / -2.0)
        h = nn.functional.linear(-g, self.matrix, self.factors) @ self.matrix
        return operator.neg(h.sub(0.5).tanh() + torch.sub(b, h)).relu()


@pytest.mark.parametrize("seed", range(5))
def test_bounds_hold_for_arithmetic(seed: int):
    torch.manual_seed(seed)
    inputs = (torch.randn(7, 4),)
    check_sound(sparsify(Arithmetic(), inputs, Stability()).eval(), inputs, seed)


def test_a_unit_of_one_layer_reaches_its_bounds():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    network = sparsify(model, torch.zeros(1, 3), Stability())
    corners = torch.tensor(list(np.ndindex(2, 2, 2))).float() * 2 - 1
    low, high = gate_bounds(network, [-torch.ones(3)], [torch.ones(3)])["gates.0"]
    values = model[0](corners)
    torch.testing.assert_close(low, values.amin(dim=0))
    torch.testing.assert_close(high, values.amax(dim=0))


def test_bounds_of_a_chain_are_those_of_the_compiler(tmp_path):
    objective = Regression(samples(100))
    schedule = Schedule(epochs=3, finetune_epochs=0)
    member = train(mlp(objective, (7, 5)), objective, schedule, Stability(), tmp_path)[0]
    form = simplify(lower(r2m.load(member.path))).form
    box = [objective.inputs()[0].amin(dim=0), objective.inputs()[0].amax(dim=0)]
    ends = [
        [end.double().numpy() if isinstance(v, Input) else np.full(v.size, fill) for v in form.values]
        for end, fill in zip(box, (-np.inf, np.inf), strict=True)
    ]
    below, above = propagate(form, *ends)
    expected = [(below[v.input], above[v.input]) for v in form.values if isinstance(v, Relu)]
    found = gate_bounds(member.network, [box[0]], [box[1]]).values()
    for (low, high), (compiled_low, compiled_high) in zip(found, expected, strict=True):
        np.testing.assert_allclose(low.detach(), compiled_low, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(high.detach(), compiled_high, rtol=1e-4, atol=1e-5)


def test_bounds_have_gradients():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)).double()
    network = sparsify(model, torch.zeros(1, 3).double(), Stability())
    layers = [network.get_submodule(name).weight for name in ("0", "2")]

    def product(*weights: torch.Tensor) -> torch.Tensor:
        parts = {"0.weight": weights[0], "2.weight": weights[1]}
        box = [-torch.ones(3).double()], [torch.ones(3).double()]
        with torch.nn.utils.stateless._reparametrize_module(network, parts):
            return sum((low * high).sum() for low, high in gate_bounds(network, *box).values())

    assert torch.autograd.gradcheck(product, [w.detach().requires_grad_() for w in layers])


class Squared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(x * x).relu()


class Reciprocal(Squared):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(1 / x).relu()


class Folded(Squared):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(x.abs()).relu()


class Scaled(Squared):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.add(self.a(x), self.a(x), alpha=-2).relu()


class Mixing(Squared):
    """One output for the whole batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(x[0].unsqueeze(0)).relu()


class Softplus(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Softplus(), nn.Linear(3, 4), nn.ReLU())


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (Squared, "mul"),
        (Reciprocal, "truediv"),
        (Folded, "abs"),
        (Scaled, "add"),
        (Mixing, "getitem"),
        (Softplus, "Softplus '_0'"),
    ],
)
def test_an_operation_without_known_bounds_is_refused(make: type[nn.Module], what: str):
    network = sparsify(make(), torch.rand(2, 3) + 1, Stability())
    with pytest.raises(UnsupportedNetwork, match=f"{what}.*interval bounds of it are not known"):
        gate_bounds(network, [torch.ones(3)], [2 * torch.ones(3)])
