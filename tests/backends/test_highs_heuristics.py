"""HiGHS's own option: heuristics that solve smaller MIPs, off where a start is handed over."""

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.backends.highs import SUB_MIPS, HighsBackend
from relu2mip.errors import InvalidOption
from relu2mip.options import SolveOptions
from tests.forms import mlp

CASES = [("auto", True, True), ("auto", False, False), ("on", True, False), ("off", False, True)]


@pytest.mark.parametrize(("heuristics", "start", "off"), CASES)
def test_small_mips_are_off_where_asked_or_started(monkeypatch, heuristics: str, start: bool, off: bool) -> None:
    import highspy

    seen = {}
    real = highspy.Highs.run

    def run(self: highspy.Highs) -> object:
        seen.update({name: self.getOptionValue(name)[1] for name in SUB_MIPS})
        return real(self)

    model = r2m.compile(r2m.BoxProblem(mlp([2, 6, 1], seed=1), -1, 1, [1.0]), bounds="crown").model
    plain = HighsBackend().solve(model, SolveOptions())
    monkeypatch.setattr(highspy.Highs, "run", run)
    solution = HighsBackend(heuristics).solve(model.with_start(plain.x if start else None), SolveOptions())
    assert all(value is (not off) for value in seen.values())
    np.testing.assert_allclose(solution.objective, plain.objective, atol=1e-8)


def test_a_misspelt_choice_is_refused() -> None:
    with pytest.raises(InvalidOption, match="heuristics is 'none'"):
        HighsBackend("none")
