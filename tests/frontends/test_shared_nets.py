"""Real networks made by others, against onnxruntime."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from relu2mip.errors import UnsupportedNetwork
from relu2mip.frontends.onnx import load_onnx
from tests.conftest import ROOT
from tests.frontends.oracle import agrees

FOLDER = ROOT.parent / "shared" / "nets"
NETWORKS = sorted(path.stem for path in FOLDER.glob("*.onnx") if path.stem != "sigmoid")


@pytest.mark.parametrize("name", NETWORKS or ["none"])
def test_real_networks(shared_nets: Path, name: str):
    graph = agrees(onnx.load(shared_nets / f"{name}.onnx"))
    assert load_onnx(shared_nets / f"{name}.onnx").name == name
    assert not any(node.op.name == "rearrange" for node in graph.nodes if name != "KJ_TinyTaxiNet")


def test_smooth_activations_are_refused_clearly(shared_nets: Path):
    with pytest.raises(UnsupportedNetwork, match=r"Sigmoid 'y': it is smooth, not piecewise linear\. Use HardSigmoid"):
        load_onnx(shared_nets / "sigmoid.onnx")


def test_the_batch_axis_of_acas_xu(shared_nets: Path):
    graph = load_onnx(shared_nets / "ACASXU_run2a_1_1_batch_2000.onnx")
    assert [(port.name, port.shape) for port in graph.inputs] == [("input", (1, 1, 5))]
    assert [(port.name, port.shape) for port in graph.outputs] == [("linear_7_Add", (5,))]
    assert sum(node.op.name == "relu" for node in graph.nodes) == 6
    assert graph.evaluate(np.zeros((3, 5)))["linear_7_Add"].shape == (3, 5)
