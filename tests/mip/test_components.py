"""A program that falls apart has the same optimum in parts, whatever it is made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.backends.highs import HighsBackend
from relu2mip.mip import MipModel, Stop
from relu2mip.mip.components import parts, solved_apart
from relu2mip.mip.lowering import pairs_to_sos1
from relu2mip.mip.names import DerivedBlock, Names
from relu2mip.mip.parts import Groups, Indicators, Maxima, Pairs
from relu2mip.mip.run import ask, run
from relu2mip.options import SolveOptions
from tests.analysis.test_certified import blocks
from tests.mip.brute_force import optimum
from tests.mip.models import small_models

quick = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])


def beside(a: MipModel, b: MipModel) -> MipModel:
    """Two programs as one that falls apart, their columns interleaved."""
    size = a.columns + b.columns
    order = np.random.default_rng(0).permutation(size)
    at = np.argsort(order)  # where each old column went
    ends = a.columns

    def columns(index: np.ndarray, second: bool) -> np.ndarray:
        return at[index + (ends if second else 0)]

    def both(name: str) -> np.ndarray:
        return np.concatenate([getattr(a, name), getattr(b, name)])

    def groups(x: Groups, y: Groups) -> Groups:
        members = np.concatenate([columns(x.members, False), columns(y.members, True)])
        names = Names((DerivedBlock([*x.names, *y.names], np.arange(len(x) + len(y)), ""),))
        return Groups(members, np.concatenate([x.starts, x.starts[-1] + y.starts[1:]]), names)

    def named(x: Names, y: Names) -> Names:
        names = [*(f"a.{n}" for n in x), *(f"b.{n}" for n in y)]
        return Names((DerivedBlock(names, np.arange(len(names)), ""),))

    def matrix(x: sp.csr_array, y: sp.csr_array) -> sp.csr_array:
        return sp.csr_array(sp.csr_array(sp.block_diag([x, y], format="csr"))[:, order])

    made = {name: both(name)[order] for name in ("lower", "upper", "integer", "cost")}
    i, j, m, n, p, q = a.indicators, b.indicators, a.maxima, b.maxima, a.pairs, b.pairs
    column_names = named(a.column_names, b.column_names)
    return replace(
        a,
        **made,
        matrix=matrix(a.matrix, b.matrix),
        row_lower=both("row_lower"),
        row_upper=both("row_upper"),
        column_names=Names((DerivedBlock(column_names, order, ""),)),
        row_names=named(a.row_names, b.row_names),
        offset=a.offset + b.offset,
        quadratic=None if a.quadratic is None else both("quadratic")[order],
        sos1=a.sos1 and groups(a.sos1, b.sos1),
        indicators=i
        and Indicators(
            np.concatenate([columns(i.binary, False), columns(j.binary, True)]),
            np.concatenate([i.active, j.active]),
            matrix(i.matrix, j.matrix),
            np.concatenate([i.lower, j.lower]),
            np.concatenate([i.upper, j.upper]),
            named(i.names, j.names),
        ),
        maxima=m
        and Maxima(
            np.concatenate([columns(m.result, False), columns(n.result, True)]),
            groups(m.operands, n.operands),
            np.concatenate([m.constant, n.constant]),
        ),
        pairs=p
        and Pairs(
            np.concatenate([columns(p.first, False), columns(q.first, True)]),
            np.concatenate([columns(p.second, False), columns(q.second, True)]),
            named(p.names, q.names),
        ),
    )


@quick
@given(data=st.data(), kind=st.sampled_from(["", "squares", "sos1", "indicators", "maxima", "pairs"]))
def test_the_parts_have_the_optimum_of_the_whole(data: st.DataObject, kind: str) -> None:
    given = {kind: True} if kind else {}
    a, b = data.draw(small_models(**given)), data.draw(small_models(**given))
    model = beside(a, b)
    found = parts(model)
    assert len(found) >= 2
    assert sorted(np.concatenate([part.columns[part.own] for part in found]).tolist()) == list(range(model.columns))
    best = optimum(a) + optimum(b)
    word = solved_apart(found, model, lambda part, _: ask(pairs_to_sos1(part), HighsBackend(), SolveOptions(gap=0.0)))
    if np.isfinite(best):
        assert word.stop is Stop.OPTIMAL
        assert model.objective(word.x) == pytest.approx(best, abs=1e-5)
        assert word.bound == pytest.approx(best, abs=1e-5)
    else:
        assert word.stop is Stop.INFEASIBLE


def test_a_program_in_one_piece_stays_in_one() -> None:
    compiled = r2m.compile(r2m.BoxProblem(blocks([3, 8, 2], count=1), -1, 1, [1.0, 1.0]))
    assert len(parts(compiled.model)) == 1


@pytest.mark.parametrize("count", [2, 3])
def test_networks_side_by_side_are_solved_apart(count: int) -> None:
    net = blocks([3, 8, 8, 2], count)
    problem = r2m.BoxProblem(net, -1, 1, np.ones(net.output_size), sense="max")
    compiled = r2m.compile(problem, bounds="ibp")
    assert len(parts(compiled.model)) == count
    answer = r2m.solve(problem, bounds="ibp", gap=1e-6)
    assert f"solved apart in {count} parts" in answer.message
    whole = ask(compiled.model, HighsBackend(), SolveOptions(gap=1e-6))
    assert answer.objective == pytest.approx(-whole.objective, rel=1e-5)


def test_a_part_without_a_solution_leaves_none() -> None:
    compiled = r2m.compile(r2m.BoxProblem(blocks([2, 4, 1]), -1, 1, [1.0, 1.0]), bounds="ibp")
    model = compiled.model
    apart = parts(model)
    upper = model.upper.copy()
    output = compiled.expressions["y"].columns
    assert output is not None
    upper[output[0]] = model.lower[output[0]] + 1e-9
    assert len(apart) == 2
    impossible = replace(model, lower=np.where(np.arange(model.columns) == output[0], 1e3, model.lower), upper=upper)
    assert run(impossible, HighsBackend(), SolveOptions()).stop is Stop.INFEASIBLE
