"""Exports of torch, by both exporters, with a fixed and with a symbolic batch axis."""

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest

from relu2mip.errors import UnsupportedNetwork
from relu2mip.frontends.onnx import load_onnx
from relu2mip.ir import Graph
from tests.frontends.oracle import agrees, samples

torch = pytest.importorskip("torch")
nn = torch.nn


class Masked(nn.Module):
    """Each unit a ReLU, an identity or nothing: relu(x) * m1 + x * m2."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 4)])
        kind = torch.arange(8) % 3
        self.register_buffer("m1", (kind == 0).float())
        self.register_buffer("m2", (kind == 1).float())

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        for layer in self.layers[:-1]:
            h = layer(x)
            x = torch.relu(h) * self.m1 + h * self.m2
        return self.layers[-1](x)


class Joined(nn.Module):
    """Concatenation of a ReLU layer and an affine one, and a residual sum with a slice of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(6, 3), nn.Linear(8, 4)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return self.c(torch.cat([torch.relu(self.a(x)), self.b(x)], dim=-1)) + x[:, :4]


class GraphByProducts(nn.Module):
    """Message passing on three bodies, with sender and receiver matrices."""

    def __init__(self) -> None:
        super().__init__()
        edges = [(s, r) for s in range(3) for r in range(3) if s != r]
        self.register_buffer("senders", torch.eye(3)[[s for s, _ in edges]])
        self.register_buffer("receivers", torch.eye(3)[[r for _, r in edges]])
        self.message, self.update = nn.Linear(4, 5), nn.Linear(7, 2)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        pairs = torch.cat([self.senders @ x, self.receivers @ x], dim=-1)
        received = self.receivers.T @ torch.relu(self.message(pairs))
        return x + self.update(torch.cat([x, received], dim=-1))


class GraphByIndex(GraphByProducts):
    """The same with gather and index_add."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("s", self.senders.argmax(dim=1))
        self.register_buffer("r", self.receivers.argmax(dim=1))

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        pairs = torch.cat([x[:, self.s], x[:, self.r]], dim=-1)
        messages = torch.relu(self.message(pairs))
        received = torch.zeros(x.shape[0], 3, 5, dtype=x.dtype).index_add(1, self.r, messages)
        return x + self.update(torch.cat([x, received], dim=-1))


class GraphByScatter(GraphByIndex):
    """The same with scatter_add."""

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        messages = torch.relu(self.message(torch.cat([x[:, self.s], x[:, self.r]], dim=-1)))
        index = self.r[None, :, None].expand(x.shape[0], -1, 5)
        received = torch.zeros(x.shape[0], 3, 5, dtype=x.dtype).scatter_add(1, index, messages)
        return x + self.update(torch.cat([x, received], dim=-1))


class Image(nn.Module):
    """Convolution, batch normalisation, pooling, leaky ReLU, flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(3, 2, 1), nn.LeakyReLU(0.1), nn.AdaptiveAvgPool2d(2)),
        )
        self.features[1].running_mean.uniform_(-1, 1)
        self.features[1].running_var.uniform_(0.5, 2)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 4), nn.Hardtanh(), nn.Linear(4, 2), nn.PReLU())

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return self.head(self.features(x).flatten(1))


class Two(nn.Module):
    """Two inputs, two outputs, piecewise-linear functions of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(5, 4)

    def forward(self, state: "torch.Tensor", control: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        h = self.a(torch.cat([state, control], dim=1))
        change = torch.clamp(h, -0.5, 0.5) + torch.abs(h) - torch.maximum(h, -h) + nn.functional.relu6(h)
        return state + change[:, :3], nn.functional.hardsigmoid(h).amax(dim=1)


MODELS = {
    "masked": (Masked, [(6,)]),
    "joined": (Joined, [(6,)]),
    "graph by products": (GraphByProducts, [(3, 2)]),
    "graph by index": (GraphByIndex, [(3, 2)]),
    "graph by scatter": (GraphByScatter, [(3, 2)]),
    "image": (Image, [(1, 8, 8)]),
    "two": (Two, [(3,), (2,)]),
}


def export(module: "nn.Module", shapes: list[tuple[int, ...]], dynamo: bool, dynamic: bool) -> onnx.ModelProto:
    names = [f"x{k}" for k in range(len(shapes))]
    batch = 2 if dynamic else 1
    arguments = tuple(torch.zeros(batch, *shape) for shape in shapes)
    options: dict = {"input_names": names}
    if dynamo:
        options |= {"dynamo": True, "verbose": False}
        if dynamic:
            options["dynamic_shapes"] = tuple({0: torch.export.Dim("batch")} for _ in shapes)
    else:
        options |= {"dynamo": False}
        if dynamic:
            options["dynamic_axes"] = {name: {0: "batch"} for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            return torch.onnx.export(module, arguments, **options).model_proto
        file = io.BytesIO()
        torch.onnx.export(module, arguments, file, **options)
        return onnx.load_from_string(file.getvalue())


def matches(graph: Graph, module: "nn.Module") -> None:
    """The graph computes what the module does."""
    inputs = samples(graph)
    tensors = [torch.tensor(inputs[port.name].reshape(-1, *port.shape)) for port in graph.inputs]
    with torch.no_grad():
        results = module.double()(*tensors)
    results = results if isinstance(results, tuple) else (results,)
    values = graph.evaluate(**inputs)
    for port, expected in zip(graph.outputs, results, strict=True):
        np.testing.assert_allclose(values[port.name], expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
@pytest.mark.parametrize("dynamo", [False, True], ids=["legacy", "dynamo"])
@pytest.mark.parametrize("name", MODELS)
def test_exports_of_torch(name: str, dynamo: bool, dynamic: bool):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    kind, shapes = MODELS[name]
    module = kind().eval()
    if name == "graph by index" and not dynamo:
        if not dynamic:
            pytest.skip("torch's older exporter refuses index_add with a fixed batch")
        with pytest.raises(UnsupportedNetwork, match=r"ScatterElements.*writes an entry twice.*dynamo=True"):
            load_onnx(export(module, shapes, dynamo, dynamic))
        return
    graph = agrees(export(module, shapes, dynamo, dynamic))
    assert [port.shape for port in graph.inputs] == shapes
    matches(graph, module)


def test_external_data_of_torch(tmp_path: Path):
    module = Masked().eval()
    path = tmp_path / "masked.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, 6),), path, dynamo=True, external_data=True, verbose=False)
    assert (tmp_path / "masked.onnx.data").exists()
    matches(load_onnx(path), module)
