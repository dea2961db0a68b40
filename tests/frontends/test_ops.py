"""Every operator, at every version of it, in every form, against onnxruntime."""

from collections.abc import Iterator

import numpy as np
import onnx
import pytest

from relu2mip.frontends.onnx import load_onnx, supported_ops
from tests.frontends.cases import CASES, Case
from tests.frontends.oracle import agrees, samples

NEWEST_RUNNABLE = 26
"""The newest operator set that onnxruntime runs."""

BY_OTHER_TESTS = {
    *("Constant", "EyeLike", "If", "Shape", "Size", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not"),
    *("SequenceEmpty", "SequenceConstruct", "SequenceInsert", "SequenceErase", "SequenceAt", "SequenceLength"),
    *("SplitToSequence", "ConcatFromSequence"),
}


def versions(op: str) -> list[int]:
    """The operator sets, from 7 on, at which the operator's definition changed."""
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.name == op and s.domain == ""]
    known = {s.since_version for s in schemas if not s.deprecated}
    first = min(known)
    return sorted({max(7, first), *(v for v in known if 7 < v <= NEWEST_RUNNABLE)})


def every_case() -> Iterator[tuple[int, Case]]:
    for op, cases in CASES.items():
        for opset in versions(op):
            for case in cases(opset):
                yield opset, case


@pytest.mark.parametrize(("opset", "case"), [pytest.param(o, c, id=f"{c} opset {o}") for o, c in every_case()])
def test_agrees_with_onnxruntime(opset: int, case: Case):
    agrees(case.model(opset))


@pytest.mark.parametrize("op", CASES)
def test_constants_as_nodes_are_constants(op: str):
    for case in CASES[op](versions(op)[-1]):
        if any(not isinstance(x, tuple) and x is not None for x in case.operands):
            agrees(case.model(versions(op)[-1], as_nodes=True))


@pytest.mark.parametrize("op", sorted(CASES.keys() - {"Scatter", "Upsample"}))
def test_the_newest_operator_set_means_the_same(op: str):
    """onnxruntime does not run the newest operator set yet: it must mean what the newest one it runs means."""
    opset = versions(op)[-1]
    for case in CASES[op](opset):
        graph, newest = load_onnx(case.model(opset)), load_onnx(case.model(onnx.defs.onnx_opset_version()))
        inputs = samples(graph)
        for name, value in graph.evaluate(**inputs).items():
            np.testing.assert_array_equal(newest.evaluate(**inputs)[name], value)


def test_every_operator_has_cases():
    assert set(CASES) | BY_OTHER_TESTS == {op for op, _ in supported_ops()}


@pytest.mark.parametrize(("op", "since"), supported_ops())
def test_converters_start_at_versions_of_their_operator(op: str, since: tuple[int, ...]):
    known = {s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.name == op and s.domain == ""}
    assert set(since) <= known
    assert min(since) <= versions(op)[0]
