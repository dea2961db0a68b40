"""The registry of converters, and the documents that list it."""

import re

import pytest

from relu2mip.errors import Relu2MipError
from relu2mip.frontends.onnx import supported_ops
from relu2mip.frontends.onnx.registry import converter, find
from tests.conftest import ROOT


def test_a_file_gets_the_newest_converter_that_is_not_newer():
    since = dict(supported_ops())["Slice"]
    assert since == (1, 10)
    assert [find("Slice", opset).since for opset in (7, 9, 10, 13, 28)] == [1, 1, 10, 10, 10]
    assert find("Expand", 7) is None
    assert find("Sigmoid", 13) is None


def test_the_same_converter_twice_is_an_error():
    with pytest.raises(Relu2MipError, match="operator 'Relu' has a converter since version 6 already"):
        converter("Relu", since=6)(lambda call: call.value(0))


def test_the_table_in_the_documentation_lists_every_operator():
    page = (ROOT / "docs" / "onnx.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \|", page, flags=re.MULTILINE)
    listed = [(op, tuple(int(v) for v in versions.split(","))) for op, versions in rows]
    assert listed == supported_ops()
