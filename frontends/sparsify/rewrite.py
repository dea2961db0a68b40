"""Put a gate in place of every ReLU of a torch model, whatever its architecture.

The model is traced by torch.fx, and each ReLU, as a module (`nn.ReLU`) or a call (`F.relu`, `torch.relu`, `x.relu()`),
becomes a gate over the units of the layer before it: the channels after a convolution, the last axis otherwise. A layer
that is called several times has one gate, as it has one set of weights.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from relu2mip.errors import InvalidNetwork, Refusal, UnsupportedNetwork
from relu2mip.frontends.sparsify.gates.family import Gate, GateFamily, gates_of
from relu2mip.frontends.sparsify.networks.objects import FixedReLU, Join, ObjectMap, Split

RELU_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    nn.functional.relu,
    nn.functional.relu_,
    torch.relu,
    torch.relu_,
)
RELU_METHODS = ("relu", "relu_")
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (nn.Linear, nn.Bilinear, *CONVOLUTIONS)
PRODUCTS: tuple[Callable[..., Any], ...] = (nn.functional.linear, torch.matmul, torch.addmm, torch.bmm)


class _Shapes(fx.Interpreter):
    """Runs a traced model and notes the shape of every tensor."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        n.meta["shape"] = tuple(result.shape) if isinstance(result, Tensor) else None
        return result


class _Tracer(fx.Tracer):
    """Traces through everything but the layers of torch, maps over objects and ReLUs that are no units to choose."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (FixedReLU, ObjectMap, Split, Join)) or super().is_leaf_module(m, module_qualified_name)


def sparsify(module: nn.Module, example: Tensor | Sequence[Tensor], family: GateFamily) -> fx.GraphModule:
    """A copy of the model in which every ReLU is a gate of the family.

    example: its input or inputs, with a batch axis; their values do not matter. Other activations stay as they are.

    Raises `InvalidNetwork` where the model cannot be traced, does not run on the example or has no ReLU, and
    `UnsupportedNetwork`, with every node in the way, where a layer has ReLUs inside that cannot be reached, a tensor
    that others read is changed in place, or units have to be off somewhere and the family makes lines of them.

        >>> from relu2mip.frontends.sparsify import Gumbel, gates_of
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> {name: gate.size for name, gate in gates_of(sparsify(model, torch.zeros(1, 2), Gumbel())).items()}
        {'gates.0': 8}
    """
    if gates_of(module):
        raise InvalidNetwork(f"{type(module).__name__} has gates already; sparsify the model without")
    module = copy.deepcopy(module)
    network = trace(module, example)
    gates: dict[Any, Gate] = {}
    network.gates = nn.ModuleList()
    device = (example if isinstance(example, Tensor) else example[0]).device
    uses: Counter[fx.Node] = Counter()
    for node in list(network.graph.nodes):
        if not is_relu(node, network):
            continue
        source = node.all_input_nodes[0]
        layer = _layer_of(source, network)
        key = (_weights_of(layer), uses[layer])
        uses[layer] += 1
        axis = 1 if _is_convolution(layer, network) and len(shape_of(source)) > 2 else -1
        size = shape_of(source)[axis]
        if key not in gates:
            gates[key] = family.gate(size, axis)
            gates[key].train(module.training).to(device)
            network.gates.append(gates[key])
        if gates[key].size != size:
            raise InvalidNetwork(
                f"{layer.target} is called with {gates[key].size} and with {size} units; use two layers"
            )
        name = f"gates.{list(gates).index(key)}"
        with network.graph.inserting_before(node):
            gated = network.graph.call_module(name, (source,))
        gated.meta = dict(node.meta)
        node.replace_all_uses_with(gated)
        network.graph.erase_node(node)
    fixed = [name for name, part in network.named_modules() if isinstance(part, FixedReLU)]
    if fixed and family.straightens:
        reason = (
            f"{family.name} turns units into identities or lines, which are off nowhere, but beyond this all have to"
        )
        raise UnsupportedNetwork(
            type(module).__name__,
            [Refusal(fixed[0], "FixedReLU", reason, "Choose gates that make units zero, such as channel-pruning")],
        )
    if not gates:
        raise InvalidNetwork(f"{type(module).__name__} has no ReLU; there is nothing to sparsify")
    network.delete_all_unused_submodules()
    network.recompile()
    family.attach(network)
    return network


def trace(module: nn.Module, example: Tensor | Sequence[Tensor]) -> fx.GraphModule:
    """The traced model, each node with the shape it has on the example (`shape_of`)."""
    name = type(module).__name__
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    try:
        network = fx.GraphModule(module, _Tracer().trace(module), class_name=name)
    except Exception as error:  # whatever the model's own code raises on a symbolic tensor
        raise InvalidNetwork(
            f"{name} cannot be traced by torch.fx: {error}. "
            "Keep branches and loops that depend on values of tensors out of forward"
        ) from error
    refusals = [refusal for node in network.graph.nodes if (refusal := _refusal(node, network)) is not None]
    if refusals:
        raise UnsupportedNetwork(name, refusals)
    try:
        note_shapes(network, inputs)
    except Exception as error:
        shapes, why = [tuple(x.shape) for x in inputs], str(error).partition("\n")[0]
        raise InvalidNetwork(f"{name} does not run on the example of shapes {shapes}: {why}") from error
    return network


def note_shapes(network: fx.GraphModule, inputs: Sequence[Tensor]) -> None:
    """Run a traced model and note the shape of every node, for `shape_of`."""
    was_training = network.training
    try:
        with torch.no_grad():
            _Shapes(network.eval()).run(*inputs)
    finally:
        network.train(was_training)


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape that a node of a traced model has on the example."""
    shape: tuple[int, ...] | None = node.meta.get("shape")
    if shape is None:
        raise InvalidNetwork(f"{node.name} is not one tensor; only tensors can be activated")
    return shape


def is_relu(node: fx.Node, network: fx.GraphModule) -> bool:
    """Whether a node of a traced model is a ReLU."""
    if node.op == "call_module":
        return isinstance(network.get_submodule(str(node.target)), nn.ReLU)
    if node.op == "call_function":
        return node.target in RELU_FUNCTIONS
    return node.op == "call_method" and node.target in RELU_METHODS


def _layer_of(node: fx.Node, network: fx.GraphModule) -> fx.Node:
    """The nearest weighted layer before a node, itself included; the node where there is none."""
    waiting, seen = [node], {node}
    while waiting:
        one = waiting.pop(0)
        module = network.get_submodule(str(one.target)) if one.op == "call_module" else None
        if isinstance(module, WEIGHTED) or (one.op == "call_function" and one.target in PRODUCTS):
            return one
        if isinstance(module, Gate) or is_relu(one, network):
            continue
        waiting += [source for source in one.all_input_nodes if source not in seen]
        seen.update(one.all_input_nodes)
    return node


def _weights_of(layer: fx.Node) -> Any:
    """A key for the weights of a layer: equal for two calls that share them."""
    if layer.op == "call_module":
        return layer.target
    weights = tuple(source.target for source in layer.all_input_nodes if source.op == "get_attr")
    return weights or layer


def _is_convolution(layer: fx.Node, network: fx.GraphModule) -> bool:
    return layer.op == "call_module" and isinstance(network.get_submodule(str(layer.target)), CONVOLUTIONS)


def _refusal(node: fx.Node, network: fx.GraphModule) -> Refusal | None:
    """Why a node of a traced model cannot be kept: hidden layers inside, a flag or a tensor that changes."""
    if node.op == "call_module":
        layer = network.get_submodule(str(node.target))
        of_torch = type(layer).__module__.startswith("torch.nn")
        if isinstance(layer, (nn.RNNBase, nn.RNNCellBase)) or (of_torch and any(True for _ in layer.children())):
            reason = "its inside is not traced, so ReLUs in it cannot be found"
            return Refusal(str(node.target), type(layer).__name__, reason, "Write it out of single layers")
    if node.target is nn.functional.dropout:
        reason = "whether it is training is fixed when the model is traced"
        return Refusal(node.name, "dropout", reason, "Use nn.Dropout")
    if _in_place(node, network) and len(node.all_input_nodes[0].users) > 1:
        reason = "it changes its input in place, and something else reads that too"
        return Refusal(
            node.name, str(getattr(node.target, "__name__", node.target)), reason, "Use the form not in place"
        )
    return None


def _in_place(node: fx.Node, network: fx.GraphModule) -> bool:
    if node.op == "call_module":
        return bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_")
    name = getattr(node.target, "__name__", "")
    changing = name in {"iadd", "isub", "imul", "itruediv"} or (name.endswith("_") and not name.endswith("__"))
    return node.op == "call_function" and (changing or bool(node.kwargs.get("inplace", False)))
