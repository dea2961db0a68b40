"""The tensors a node can read, by name."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Iterator, MutableMapping

from onnx import GraphProto

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.onnx.tensors import from_sparse_tensor, from_tensor
from relu2mip.frontends.onnx.values import Tensor


class Initializers(MutableMapping[str, "Tensor | None"]):
    """The tensors of one scope by name; initializers become arrays when first asked for."""

    def __init__(self, graph: GraphProto) -> None:
        self._known: dict[str, Tensor | None] = {}
        names = [tensor.name for tensor in graph.initializer] + [t.values.name for t in graph.sparse_initializer]
        if twice := next((name for name, count in Counter(names).items() if count > 1), None):
            raise InvalidNetwork(f"constant {twice!r} is given twice; export the network again")
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._sparse = {tensor.values.name: tensor for tensor in graph.sparse_initializer}

    def __getitem__(self, name: str) -> Tensor | None:
        if name not in self._known:
            if name in self._tensors:
                self._known[name] = from_tensor(self._tensors[name], name)
            else:
                self._known[name] = from_sparse_tensor(self._sparse[name], name)
        return self._known[name]

    def __setitem__(self, name: str, value: Tensor | None) -> None:
        self._known[name] = value

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._tensors, **self._sparse, **self._known})

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._tensors or name in self._sparse

    def __len__(self) -> int:
        return len(list(iter(self)))


Scope = ChainMap[str, "Tensor | None"]
"""Tensors by name, inner graphs first. None stands for the result of a refused node."""
