"""LP and MPS files: stable text, and the same optimum when HiGHS and Gurobi read them."""

import json
from pathlib import Path

import numpy as np
import pytest

from relu2mip.errors import InvalidOption
from relu2mip.mip import ModelBuilder, NameBlock, Stop
from relu2mip.mip.capability import Capability, needs
from relu2mip.mip.write import write
from tests.backends.library import INF, LIBRARY, program
from tests.mip.models import block

WRITTEN = [case for case in LIBRARY if case.build().columns and case.name != "crossed bounds"]


def solved_by_highs(path: Path) -> tuple[str, float]:
    highspy = pytest.importorskip("highspy")
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("mip_rel_gap", 1e-9)
    assert highs.readModel(str(path)).name != "kError"
    highs.run()
    return highs.getModelStatus().name, highs.getInfo().objective_function_value


def solved_by_gurobi(path: Path) -> tuple[int, float]:
    gurobipy = pytest.importorskip("gurobipy")
    with gurobipy.Env(params={"OutputFlag": 0}) as environment, gurobipy.read(str(path), environment) as model:
        model.setParam("DualReductions", 0)
        model.setParam("MIPGap", 1e-9)
        model.optimize()
        return model.Status, model.ObjVal if model.SolCount else np.nan


@pytest.mark.parametrize("suffix", ["lp", "mps"])
@pytest.mark.parametrize("case", WRITTEN, ids=str)
def test_gurobi_reads_the_same_problem(case, suffix, tmp_path):
    path = tmp_path / f"model.{suffix}"
    write(case.build(), path)
    status, objective = solved_by_gurobi(path)
    assert status == {Stop.OPTIMAL: 2, Stop.INFEASIBLE: 3, Stop.UNBOUNDED: 5}[case.stop]
    if case.stop is Stop.OPTIMAL:
        assert objective == pytest.approx(case.objective, abs=1e-6)


@pytest.mark.parametrize("suffix", ["lp", "mps"])
@pytest.mark.parametrize("case", [c for c in WRITTEN if not needs(c.build())], ids=str)
def test_highs_reads_the_same_problem(case, suffix, tmp_path):
    path = tmp_path / f"model.{suffix}"
    write(case.build(), path)
    status, objective = solved_by_highs(path)
    expected = {Stop.OPTIMAL: "kOptimal", Stop.INFEASIBLE: "kInfeasible", Stop.UNBOUNDED: "kUnbounded"}[case.stop]
    assert status in (expected, "kUnboundedOrInfeasible" if case.stop is Stop.UNBOUNDED else expected)
    if case.stop is Stop.OPTIMAL:
        assert objective == pytest.approx(case.objective, abs=1e-6)


@pytest.mark.parametrize("suffix", ["lp", "mps"])
def test_highs_reads_the_same_squares(suffix, tmp_path):
    path = tmp_path / f"model.{suffix}"
    write(program([-2, -4], [[1, 1]], -INF, 2, -5, 5, squares=[1, 1], offset=1), path)
    assert solved_by_highs(path) == ("kOptimal", pytest.approx(-3.5, abs=1e-5))


@pytest.mark.parametrize("suffix", ["lp", "mps"])
@pytest.mark.parametrize("case", [c for c in WRITTEN if needs(c.build()) - {Capability.QUADRATIC}], ids=str)
def test_highs_refuses_what_it_does_not_take(case, suffix, tmp_path):
    highspy = pytest.importorskip("highspy")
    path = tmp_path / f"model.{suffix}"
    write(case.build(), path)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(path)).name == "kError"


def test_the_lp_file_says_everything_the_model_holds(tmp_path):
    model = program(
        [1, -2.5, 0],
        [[1, 1, 0], [0, 0.1, -1], [0, 0, 0]],
        [-1, 2, -INF],
        [1, 2, 3],
        [0, -INF, 0],
        [1, 4, 9],
        integer=[1, 0, 1],
        offset=0.5,
        squares=[0, 1, 0],
        sos1=[[0, 1]],
        indicators=[(0, False, [0, 1, 1], -INF, 1)],
        maxima=[(1, [0, 2], 0.5), (2, [0, 1], -INF)],
        pairs=[(0, 2)],
    )
    write(model, tmp_path / "model.lp")
    assert (
        (tmp_path / "model.lp").read_text()
        == """\
Minimize
 objective: + 1 x(0) - 2.5 x(1) + 0.5 objective.offset + [ + 2 x(1) ^2 ] / 2
Subject To
 row(0): + 1 x(0) + 1 x(1) <= 1
 row(0).range: + 1 x(0) + 1 x(1) >= -1
 row(1): + 0.1 x(1) - 1 x(2) = 2
 row(2): + 0 x(0) <= 3
 when(0): x(0) = 0 -> + 1 x(1) + 1 x(2) <= 1
 pair(0): [ x(0) * x(2) ] = 0
Bounds
 -inf <= x(1) <= 4
 0 <= x(2) <= 9
 objective.offset = 1
Binaries
 x(0)
Generals
 x(2)
SOS
 set(0): S1:: x(0):1 x(1):2
General Constraints
 max(0): x(1) = MAX ( x(0) , x(2) , 0.5 )
 max(1): x(2) = MAX ( x(0) , x(1) )
End
"""
    )


def test_the_map_leads_from_vectors_to_the_names_in_the_file(tmp_path):
    model = ModelBuilder()
    model.add_columns(NameBlock("t03.layer2.relu", np.array([4, 17]), ".a"), 0, 1, integer=True)
    model.minimise([(1.0, np.arange(2))], offset=-2)
    beside = write(model.build(), tmp_path / "plan.lp")
    assert beside == tmp_path / "plan.lp.map.json"
    assert json.loads(beside.read_text()) == {
        "sense": "minimise",
        "offset": -2.0,
        "values": {"t03.layer2.relu.a": ["t03.layer2.relu(4).a", "t03.layer2.relu(17).a"]},
        "names": {
            "t03.layer2.relu(4).a": "t03.layer2.relu[4].a",
            "t03.layer2.relu(17).a": "t03.layer2.relu[17].a",
        },
    }
    described = json.loads(write(model.build(), tmp_path / "plan.mps").read_text())
    assert described["values"] == {"t03.layer2.relu.a": ["t03.layer2.relu[4].a", "t03.layer2.relu[17].a"]}
    assert described["names"] == {}


AWKWARD = [
    "/model/0/Relu", "a b", "x:0", "e1", "3x", "free", "inf", "info", "nano", "End", "st", "obj", "objective",
    "objective.offset", "a+b", "ж", "a\\b", "$x", "#x", "rhs", "a_b", "x" * 300, "x" * 300 + "y", "bounds", "", "RHS",
    "a*b^c<d>=e", "S1", "a\tb",
]  # fmt: skip


@pytest.mark.parametrize("suffix", ["lp", "mps"])
def test_awkward_names_are_made_readable_and_stay_distinct(suffix, tmp_path):
    model = ModelBuilder()
    for name in AWKWARD:
        columns = model.add_columns(block(name, 1), -1, 2)
        model.add_rows(block(name, 1), [(1.0, columns)], lower=0.5)
        model.minimise([(1.0, columns)])
    path = tmp_path / f"model.{suffix}"
    named = json.loads(write(model.build(), path).read_text())
    assert solved_by_highs(path) == ("kOptimal", pytest.approx(0.5 * len(AWKWARD)))
    assert solved_by_gurobi(path) == (2, pytest.approx(0.5 * len(AWKWARD)))
    spelled = [column for columns in named["values"].values() for column in columns]
    assert len(set(spelled)) == len(AWKWARD)
    assert [named["names"].get(name, name) for name in spelled] == [f"{name}[0]" for name in AWKWARD]


@pytest.mark.parametrize("suffix", ["lp", "mps"])
def test_readers_see_the_names_of_the_map(suffix, tmp_path):
    path = tmp_path / f"model.{suffix}"
    named = json.loads(write(program([1, 1], [[1, 1]], 1, 2, integer=True), path).read_text())
    highspy = pytest.importorskip("highspy")
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(path))
    assert list(highs.getLp().col_names_) == named["values"]["x"]
    gurobipy = pytest.importorskip("gurobipy")
    with gurobipy.Env(params={"OutputFlag": 0}) as environment, gurobipy.read(str(path), environment) as model:
        assert [variable.VarName for variable in model.getVars()] == named["values"]["x"]


def test_numbers_read_back_exactly(tmp_path):
    values = np.array([1 / 3, 1e-17, 123456789.123456789, np.nextafter(1, 2)])
    write(program(values, upper=values), tmp_path / "model.mps")
    highspy = pytest.importorskip("highspy")
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(tmp_path / "model.mps"))
    assert list(highs.getLp().col_cost_) == values.tolist()
    assert list(highs.getLp().col_upper_) == values.tolist()


def test_another_ending_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InvalidOption, match=r"plan\.txt: name the file \.lp or \.mps"):
        write(program([1]), tmp_path / "plan.txt")
    assert list(tmp_path.iterdir()) == []
