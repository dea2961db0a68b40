"""The weights that the units of a gate read, and pruning by their sizes, layer by layer or over the whole network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, fx, nn

from relu2mip.errors import Refusal, UnsupportedNetwork
from relu2mip.frontends.sparsify.gates.family import Gate, Kind, gates_of
from relu2mip.frontends.sparsify.rewrite import WEIGHTED

SCOPES = ("layer", "network")
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def weights_of(network: nn.Module) -> dict[str, list[str]]:
    """For every gate by name: the names of the weights in front of it, several where layers are added.

    Raises `UnsupportedNetwork` for gates that no weights lead to, or weights of another number of units.
    """
    assert isinstance(network, fx.GraphModule)
    found: dict[str, dict[str, None]] = {}
    for node in network.graph.nodes:
        if node.op == "call_module" and isinstance(network.get_submodule(str(node.target)), Gate):
            found.setdefault(str(node.target), {}).update(dict.fromkeys(_layers(node, network, back=True)))
    gates = gates_of(network)
    refusals = []
    for name, weights in found.items():
        if not weights or any(len(rows(network, weight)) != gates[name].size for weight in weights):
            reason = f"its {gates[name].size} units are not the rows of one layer's weights"
            remedy = "Put its ReLU behind one nn.Linear or convolution, or choose gates that do not rank weights"
            refusals.append(Refusal(name, "ReLU", reason, remedy))
    if refusals:
        raise UnsupportedNetwork(type(network).__name__, refusals)
    return {name: list(weights) for name, weights in found.items()}


def rows(network: nn.Module, weight: str) -> Tensor:
    """The entries of a weight, one row a unit."""
    return _outputs_first(network, weight).flatten(1)


def unit_sizes(network: nn.Module, size: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """For every gate by name: what `size` makes of the rows of its units, (units, entries) to (units,)."""
    return {
        name: size(torch.cat([rows(network, weight) for weight in weights], dim=1))
        for name, weights in weights_of(network).items()
    }


def smallest_first(network: nn.Module, sizes: Mapping[str, Tensor], scope: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Ranks by which the smallest units are the first to become zero.

    scope: "network" compares the sizes of all units; "layer" only those of one gate, and takes the same share of each.
    In both, no gate loses its last unit before every other is down to one.
    """
    ranks = {}
    for name, gate in gates_of(network).items():
        values = torch.where(gate.kind == Kind.ZERO, -1.0, sizes[name])
        if scope == "layer":
            values = (values.argsort(stable=True).argsort(stable=True) + 1) / gate.size
        values[values.argmax()] = torch.finfo(values.dtype).max
        ranks[name] = -values, torch.full((gate.size,), int(Kind.ZERO))
    return ranks


def unit_parameters(network: nn.Module) -> dict[str, int]:
    """For every gate by name: how many parameters leave with one of its units.

    Its row and its bias in the layers in front, and a column (a slice of the kernels of a convolution) of each layer
    that reads it.
    """
    assert isinstance(network, fx.GraphModule)
    found = dict.fromkeys(gates_of(network), 0)
    for node in network.graph.nodes:
        if node.op == "call_module" and str(node.target) in found:
            in_front, behind = _layers(node, network, back=True), _layers(node, network, back=False)
            row = sum(rows(network, weight).shape[1] for weight in in_front)
            column = sum(_outputs_first(network, weight)[:, 0].numel() for weight in behind)
            found[str(node.target)] = row + 1 + column
    return found


def _outputs_first(network: nn.Module, weight: str) -> Tensor:
    owner, _, name = weight.rpartition(".")
    module = network.get_submodule(owner)
    values: Tensor = getattr(module, name)
    return values.transpose(0, 1) if isinstance(module, TRANSPOSED) else values


def _layers(gate: fx.Node, network: fx.GraphModule, back: bool) -> list[str]:
    """The weights of the nearest layers on every way back from a gate, or forth."""

    def next_to(node: fx.Node) -> list[fx.Node]:
        return node.all_input_nodes if back else list(node.users)

    found, waiting = [], list(next_to(gate))
    seen = set(waiting)
    while waiting:
        node = waiting.pop(0)
        if node.op == "call_module":
            module = network.get_submodule(str(node.target))
            if isinstance(module, WEIGHTED):
                found.append(f"{node.target}.weight")
            if isinstance(module, (Gate, *WEIGHTED)):
                continue
        if node.op == "call_function" and node.target is nn.functional.linear:
            found += [str(n.target) for n in node.args[1:2] if isinstance(n, fx.Node) and n.op == "get_attr"]
            continue
        waiting += [other for other in next_to(node) if other not in seen]
        seen.update(next_to(node))
    return list(dict.fromkeys(found))
