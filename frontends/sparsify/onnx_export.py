"""Write a hardened network as ONNX: the hard graph only, checked in onnxruntime, with its metadata in the file.

Keys of the metadata, all of them JSON: `relu2mip.relus` (surviving ReLUs), `relu2mip.units` (epsilon, null for the full
model), `relu2mip.errors`, `relu2mip.errors_on` (the validation part, or the training part where none was held out),
`relu2mip.normalisation` (which is in the graph: the file takes and
gives physical units), and what the objective says about its data, `relu2mip.state_names` and the like.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, fx

from relu2mip.errors import InvalidNetwork, InvalidOption
from relu2mip.frontends.sparsify.compaction import compact
from relu2mip.frontends.sparsify.member import Member
from relu2mip.frontends.sparsify.networks.objects import Split
from relu2mip.frontends.sparsify.objective import Objective

PREFIX = "relu2mip."
TOLERANCE = 1e-4
"""Largest difference between onnxruntime and torch on the training data, relative to max(1, the largest output).

Rounding alone makes 1e-5 where positions of 600 px go in and moves of 30 px come out.
"""


def relus(network: fx.GraphModule, objective: Objective) -> int:
    """How many ReLUs the compacted network has; those of a layer that is shared count once."""
    return int(compact(network, objective.example()).meta["relus"])


def export(member: Member, objective: Objective, path: str | Path, objects: int | None = None) -> Path:
    """Write the file of a member; it replaces an older one only when it is complete and checked.

    objects: for an interaction network, how many objects the file is for; those of the data where not given. It is
    then checked on states made of objects of the data.

    Raises `InvalidNetwork` where onnxruntime and torch differ by more than `TOLERANCE`, and `InvalidOption` where the
    network has no objects or fewer than two are wanted.
    """
    path = Path(path)
    network = copy.deepcopy(member.network).cpu()
    inputs = tuple(x.cpu() for x in objective.inputs())
    if objects is not None:
        inputs = _with_objects(network, inputs, objects)
    metadata = {
        "relus": member.relus,
        "units": member.units,
        "errors": member.errors,
        "errors_on": "validation part" if objective.validation else "training part",
        "normalisation": _normalisation(objective),
        **objective.metadata(),
    }
    if objects is not None:
        metadata = {key: metadata[key] for key in ("relus", "units", "errors", "errors_on", "predicts", "window")}
        metadata["objects"] = objects
    model = to_onnx(network, inputs, objective.input_names, objective.output_name, path.stem, metadata)
    with torch.no_grad():
        expected = network(*inputs)
    apart = difference(model, inputs, expected)
    if not apart <= TOLERANCE:
        raise InvalidNetwork(
            f"{path}: onnxruntime and torch differ by {apart:.1e} of the largest output on the training data; "
            "float32 is too coarse where a column is large beside its spread: subtract a constant from it"
        )
    partial = path.with_suffix(".partial")
    partial.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(partial, path)
    return path


def to_onnx(
    network: fx.GraphModule,
    inputs: tuple[Tensor, ...],
    input_names: tuple[str, ...],
    output_name: str,
    name: str,
    metadata: dict[str, Any],
) -> onnx.ModelProto:
    """The compacted network as an ONNX model with a symbolic batch axis and the metadata."""
    example = tuple(x[[0, -1]] for x in inputs)
    with _quiet():
        # The older exporter (dynamo=False) drops sums over repeated indices silently; this one does not.
        program = torch.onnx.export(
            compact(network, example),
            example,
            dynamo=True,
            input_names=list(input_names),
            output_names=[output_name],
            dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in example),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.graph.name = name
    for node in model.graph.node:
        node.ClearField("metadata_props")  # stack traces with paths of the machine
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=PREFIX + key, value=json.dumps(value))
    onnx.checker.check_model(model, full_check=True)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporter says about itself from the reader."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def difference(model: onnx.ModelProto, inputs: tuple[Tensor, ...], expected: Tensor) -> float:
    """The largest difference between onnxruntime and what torch gave, relative to max(1, the largest output)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {value.name: x.numpy() for value, x in zip(session.get_inputs(), inputs, strict=True)}
    (found,) = session.run(None, feeds)
    return float(np.abs(found - expected.numpy()).max() / max(1.0, float(expected.abs().max())))


def _with_objects(network: fx.GraphModule, inputs: tuple[Tensor, ...], objects: int) -> tuple[Tensor, ...]:
    """The training data with so many objects in each state, drawn from those of the data."""
    split = next((module for module in network.modules() if isinstance(module, Split)), None)
    if split is None:
        raise InvalidOption(f"objects is {objects}, but this is no interaction network; leave it out")
    if objects < 2:
        raise InvalidOption(f"objects is {objects}; give at least 2")
    states, *others = inputs
    rows = states.reshape(len(states), split.window, -1, split.features)
    rows, last = rows.tensor_split([rows.shape[2] - split.others], dim=2)
    chosen = np.random.default_rng(0).integers(rows.shape[2], size=(len(states), objects))
    index = torch.as_tensor(chosen)[:, None, :, None].expand(-1, split.window, -1, split.features)
    return torch.cat([rows.gather(2, index), last], dim=2).flatten(1), *others


def _normalisation(objective: Objective) -> dict[str, Any]:
    units = objective.normalisation().items()
    return {name: {"offset": u.offset.tolist(), "scale": u.scale.tolist()} for name, u in units}
