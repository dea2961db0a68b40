"""The table of backends says what the backends do."""

import re

import pytest

from relu2mip.backends.protocol import Capability
from relu2mip.options import parse
from relu2mip.registry import backends
from tests.backends.choices import VARIANTS
from tests.conftest import BACKEND_MODULES, ROOT

ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[2:]]
    for cells in (
        line.strip("|").split("|")
        for line in (ROOT / "docs" / "backends.md").read_text().splitlines()
        if re.match(r"\| `\w+[`(]", line)
    )
}


def test_every_backend_is_registered_documented_and_tested():
    names = {name.partition("(")[0] for name in ROWS}
    assert names == set(backends) == set(VARIANTS) == set(BACKEND_MODULES)


@pytest.mark.parametrize("spec", ROWS)
def test_the_table_says_what_is_native(spec):
    (backend,) = parse(spec, backends, "backend")
    for capability, cell in zip(Capability, ROWS[spec][: len(Capability)], strict=True):
        assert (cell == "native") == (capability in backend.capabilities()), capability
