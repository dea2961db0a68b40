"""A network as a person gives it: read already, or as the path of its file."""

from __future__ import annotations

import os
from typing import Any

from relu2mip.accept import instance
from relu2mip.errors import InvalidNetwork, UnsupportedNetwork
from relu2mip.ir import Graph


def network(value: Any, where: str) -> Any:
    """A graph, or the path of an ONNX file, which is loaded; raises what `relu2mip.load` raises."""
    if isinstance(value, str | os.PathLike):
        from relu2mip.frontends.onnx import load_onnx  # takes a while, and whoever has a graph does without

        try:
            return load_onnx(os.fspath(value))
        except InvalidNetwork as error:
            if isinstance(error, UnsupportedNetwork):
                raise
            raise InvalidNetwork(f"{where}: {error}") from error
    return instance(Graph, "a network from relu2mip.load, or the path of an ONNX file")(value, where)
