"""Do damaged files say so? Small valid ONNX files, changed at random, loaded and held against onnxruntime.

    python -m benchmarks.trials.mutants --files 10000

A mutant is a file with a few changes: bytes, operators, attributes, shapes, constants, edges of the graph. Faults: an
error that is no Relu2MipError ("raw"), more than 20 s ("hang"), values other than onnxruntime's ("wrong"). Exit code 1
where there is any.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

from relu2mip.errors import CapabilityMissing, Relu2MipError
from relu2mip.frontends.onnx import Replay, load_onnx, supported_ops

HANG = 20.0
TOLERANCE = 1e-3
"""Of the largest value: onnxruntime computes in float32, with kernels that round differently."""


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Mutated ONNX files.")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    options = parser.parse_args()
    begun, counts = time.perf_counter(), Counter[str]()
    sources, path = originals(), Path(tempfile.mkdtemp()) / "mutant.onnx"
    for seed in range(options.first, options.first + options.files):
        path.write_bytes(mutant(sources, np.random.default_rng(seed)))
        outcome, detail = trial(path)
        counts[outcome] += 1
        if outcome in {"raw", "hang", "wrong"}:
            print(seed, outcome, detail, flush=True)
    print(f"{options.files} files in {time.perf_counter() - begun:.0f} s: {dict(counts)}")
    return int(bool(counts["raw"] or counts["hang"] or counts["wrong"]))


def originals() -> list[ModelProto]:
    """One-node models of every operator, and a few small networks."""
    from tests.frontends.cases import CASES
    from tests.frontends.networks import mlp
    from tests.frontends.test_ops import versions

    models = [mlp([3, 4, 4, 2]), mlp([2, 5, 1], seed=1)]
    for op, cases in CASES.items():
        newest = versions(op)[-1]
        models += [case.model(newest, as_nodes=bool(k % 2)) for k, case in enumerate(cases(newest))][:6]
    return models


def mutant(sources: list[ModelProto], rng: np.random.Generator) -> bytes:
    """A source with one to three changes."""
    model = ModelProto.FromString(sources[int(rng.integers(len(sources)))].SerializeToString())
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        _change(model, rng)
    data = bytearray(model.SerializeToString())
    if rng.random() < 0.2:
        for place in rng.integers(0, len(data), int(rng.integers(1, 4))):
            data[place] = rng.integers(0, 256)
    return bytes(data)


def _change(model: ModelProto, rng: np.random.Generator) -> None:
    graph = model.graph
    node = graph.node[int(rng.integers(len(graph.node)))]
    names = [name for n in graph.node for name in (*n.input, *n.output)] + ["", "nowhere"]
    match int(rng.integers(11)):
        case 0:
            ops = [op for op, _ in supported_ops()]
            node.op_type = str(rng.choice([*ops, "Sigmoid", "Loop", "Nothing"]))
        case 1 if node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            attribute.type = int(rng.integers(0, 9))  # type: ignore[assignment]
        case 2 if node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            attribute.i, attribute.f = int(rng.integers(-5, 2**31)), float(rng.normal() * 10.0 ** rng.integers(-3, 9))
            attribute.ints[:] = rng.integers(-3, 9, len(attribute.ints)).tolist()
        case 3 if node.input:
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice(names))
        case 4:
            node.input.append(str(rng.choice(names)))
        case 5 if node.input:
            del node.input[int(rng.integers(len(node.input)))]
        case 6 if graph.initializer:
            tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
            _damage(tensor, rng)
        case 7:
            value = rng.choice([*graph.input, *graph.output])  # type: ignore[arg-type]
            dims = value.type.tensor_type.shape.dim
            if dims:
                dims[int(rng.integers(len(dims)))].dim_value = int(rng.choice([0, 1, 2, 7, -1, 2**40]))
        case 8:
            model.opset_import[0].version = int(rng.choice([0, 6, 7, 9, 11, 13, 18, 21, 99]))
        case 9:
            copy = graph.node.add()
            copy.CopyFrom(node)
        case _:
            node.attribute.add(name=str(rng.choice(["axis", "alpha", "mode", "x"])), i=int(rng.integers(-2, 5)), type=2)


def _damage(tensor: TensorProto, rng: np.random.Generator) -> None:
    match int(rng.integers(5)):
        case 0 if tensor.dims:
            tensor.dims[int(rng.integers(len(tensor.dims)))] = int(rng.choice([0, 1, 3, -2, 2**33]))
        case 1:
            tensor.data_type = int(rng.integers(0, 25))
        case 2 if tensor.data_location != TensorProto.EXTERNAL and tensor.raw_data:
            try:
                array = numpy_helper.to_array(tensor).copy()
            except (ValueError, TypeError, KeyError):  # damaged by the change before
                return
            if array.size and array.dtype.kind in "iuf":
                flat = array.reshape(-1)
                flat[int(rng.integers(flat.size))] = rng.choice([0, 1, 3, 1000])
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        case 3:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=str(rng.choice(["x", "y" * 300, "../z", ""])))
        case _:
            tensor.raw_data = bytes(tensor.raw_data[: int(rng.integers(0, 9))])


def trial(path: Path) -> tuple[str, str]:
    """What becomes of a file, and the details of a fault."""
    begun = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = load_onnx(path)
    except Relu2MipError:
        return ("hang", "") if time.perf_counter() - begun > HANG else ("refused", "")
    except Exception as error:
        return "raw", f"{type(error).__name__}: {error}"
    if time.perf_counter() - begun > HANG:
        return "hang", f"{time.perf_counter() - begun:.0f} s"
    return compared(graph)


def compared(graph: object) -> tuple[str, str]:
    """The values of a graph beside onnxruntime's."""
    rng = np.random.default_rng(0)
    if sum(port.size for port in graph.inputs) > 10**5:  # type: ignore[attr-defined]
        return "large", ""
    inputs = {port.name: rng.normal(size=(3, port.size)) for port in graph.inputs}  # type: ignore[attr-defined]
    try:
        with np.errstate(all="ignore"):
            expected = Replay(graph.source).run(inputs)  # type: ignore[attr-defined]
    except CapabilityMissing:
        return "not run by onnxruntime", ""
    except Relu2MipError as error:
        return "refused", str(error)
    values = graph.evaluate_flat(inputs)  # type: ignore[attr-defined]
    for name, value in expected.items():
        ours = np.broadcast_to(values[name], value.shape) if values[name].size else values[name].reshape(value.shape)
        size = 1.0 + np.abs(value).max(initial=0.0)
        if not np.allclose(ours, value, rtol=TOLERANCE, atol=TOLERANCE * size):
            return "wrong", f"{name}: {np.abs(ours - value).max():.3g} of {size:.3g}"
    return "right", ""


if __name__ == "__main__":
    sys.exit(main())
