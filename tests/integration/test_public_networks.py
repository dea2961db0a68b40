"""Public networks, solved over boxes with published verdicts, and compared between backends."""

import json
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m

SMALL = (
    "KJ_TinyTaxiNet", "batchnorm", "conv", "convx1_gemmx1", "fc_2-2-3", "gemm", "gemm_transB", "leakyRelu", "maxpool",
    "oneInput_twoBranches", "test_nano", "test_small", "test_tiny",
)  # fmt: skip
QUICK = ("test_", "cartpole", "tllBench", "ACASXU_run2a_1_1_batch_2000-prop_1")


def boxes(shared_nets: Path, *prefixes: str) -> list[dict]:
    found = json.loads((shared_nets / "boxes.json").read_text())
    return [box for box in found if box["name"].startswith(prefixes)]


@pytest.mark.parametrize("prefix", QUICK)
def test_the_verdicts_are_the_published_ones(shared_nets: Path, prefix: str, backend: str) -> None:
    for box in boxes(shared_nets, prefix):
        net = r2m.load(shared_nets / box["net"])
        (unsafe,) = box["unsafe_any_of"]
        ((row,), (limit,)) = unsafe["A"], unsafe["b"]
        answer = r2m.solve(r2m.BoxProblem(net, box["lower"], box["upper"], row), backend)
        assert answer.status == "optimal"
        assert answer.has_plan
        assert (answer.objective <= limit) == box["unsafe_reachable"]
        assert answer.gap <= 1e-4


def test_a_digit_keeps_its_class(shared_nets: Path) -> None:
    (box,) = boxes(shared_nets, "mnist")
    net = r2m.load(shared_nets / box["net"])
    unsafe = box["unsafe_any_of"][0]
    answer = r2m.solve(r2m.BoxProblem(net, box["lower"], box["upper"], unsafe["A"][0]), "highs")
    assert answer.bound > unsafe["b"][0]
    assert answer.statistics.units == 512
    assert answer.statistics.binaries < 60


@pytest.mark.slow
def test_a_verdict_by_extending_the_emitted_model(shared_nets: Path) -> None:
    (box,) = boxes(shared_nets, "ACASXU_run2a_1_1_batch_2000-prop_4")
    net = r2m.load(shared_nets / box["net"])
    compiled = r2m.compile(r2m.BoxProblem(net, box["lower"], box["upper"], np.zeros(5)), bounds="crown")
    emitted = compiled.emit("gurobi")
    y = emitted.handle(net.outputs[0].name)
    unsafe = box["unsafe_any_of"][0]
    emitted.model.addConstr(np.array(unsafe["A"]) @ y <= np.array(unsafe["b"]))
    emitted.model.Params.OutputFlag = 0
    emitted.model.optimize()
    assert emitted.model.Status == 3  # infeasible: no input of the box reaches the unsafe set


@pytest.mark.parametrize("name", SMALL)
def test_extremes_of_small_networks(shared_nets: Path, name: str, backend: str) -> None:
    net = r2m.load(shared_nets / f"{name}.onnx")
    rng = np.random.default_rng(0)
    centre = rng.uniform(-0.5, 0.5, net.input_size)
    weights = rng.normal(size=net.output_size)
    problems = {s: r2m.BoxProblem(net, centre - 0.3, centre + 0.3, weights, s) for s in ("min", "max")}
    sampled = problems["min"].evaluate(rng.uniform(centre - 0.3, centre + 0.3, (20_000, net.input_size)))
    low, high = (r2m.solve(problem, backend) for problem in problems.values())
    assert low.has_plan
    assert high.has_plan
    assert low.objective <= sampled.min() + 1e-6
    assert high.objective >= sampled.max() - 1e-6
    assert max(low.check.max_error, high.check.max_error) < 1e-5
    assert set(low.check.errors) >= {"graph", "onnxruntime"}
    for problem, answer in zip(problems.values(), (low, high), strict=True):
        point = np.concatenate([answer.inputs[port.name].ravel() for port in net.inputs])
        assert problem.evaluate(point)[0] == pytest.approx(answer.objective, abs=1e-5)
