"""The command line: what each command prints and writes, and that bad input gets one clear message and nothing else."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import relu2mip as r2m
from relu2mip import errors
from relu2mip.cli.app import COMMANDS, EXIT_CODES, INTERRUPTED, app, exit_code
from relu2mip.errors import Relu2MipError
from relu2mip.trajectory.read import read
from tests.conftest import ROOT, installed_backends
from tests.problem_files import BOX, TRAJECTORY, write_problem

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with problem.toml, box.toml, their networks, and a study of the one."""
    write_problem(tmp_path)
    (tmp_path / "study.toml").write_text('[[problems]]\nfile = "problem.toml"\n', encoding="utf-8")
    (tmp_path / "box.toml").write_text(BOX, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Run a command in the folder and hold it to its exit code."""

    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [*arguments])
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def cartpole(folder: Path) -> None:
    """The example, as cartpole.toml."""
    shutil.copy(ROOT / "examples" / "cartpole" / "dynamics.onnx", folder / "cartpole.onnx")
    text = (ROOT / "examples" / "cartpole" / "problem.toml").read_text()
    (folder / "cartpole.toml").write_text(text.replace("dynamics.onnx", "cartpole.onnx"))


def program(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed program as a user would."""
    command = [Path(sys.executable).with_name("relu2mip"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_shows_examples_of_itself(self, run: Run, command: str):
        shown = run(command, "--help").stdout
        assert "Examples:" in shown
        assert f"relu2mip {command}" in shown
        assert "--json" in shown

    @pytest.mark.parametrize("command", COMMANDS)
    def test_no_word_is_taken_for_markup(self, run: Run, command: str):
        shown = "".join(run(command, "--help").stdout.split())
        assert "".join((COMMANDS[command].__doc__ or "").split()) in shown

    def test_exit_codes_are_listed(self, run: Run):
        shown = run("--help").stdout
        assert "Exit codes:" in shown
        assert all(f"\n   {code}  " in shown for code in range(5))

    def test_help_imports_nothing_heavy(self):
        script = (
            "import sys; sys.argv = ['relu2mip', '--help']; heavy = {'numpy', 'scipy', 'onnx', 'highspy'}\n"
            "from relu2mip.cli import main\n"
            "try: main()\n"
            "except SystemExit: print(*sorted(heavy & set(sys.modules)), file=sys.stderr)"
        )
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert "Exit codes" in result.stdout
        assert result.stderr.split() == []

    def test_version(self, run: Run):
        assert run("--version").stdout.strip() == r2m.__version__


class TestCheck:
    def test_network(self, run: Run):
        assert run("check", "dynamics.onnx").stdout.startswith("dynamics.onnx can be compiled: 2 relu units")

    def test_problem(self, run: Run):
        assert "problem.toml can be compiled: 6 units" in run("check", "problem.toml").stdout

    def test_every_offending_node_is_listed(self, run: Run):
        shown = run("check", "unsupported.onnx", code=1)
        assert shown.stdout == ""
        assert "2 node(s) cannot be compiled" in shown.stderr
        assert "Sigmoid" in shown.stderr
        assert "Tanh" in shown.stderr

    def test_json_holds_the_refusals(self, run: Run):
        found = json.loads(run("check", "unsupported.onnx", "--json", code=1).stdout)
        assert found["compilable"] is False
        assert [refusal["op"] for refusal in found["refusals"]] == ["Sigmoid", "Tanh"]
        assert all(refusal["reason"] and refusal["remedy"] for refusal in found["refusals"])
        assert json.loads(run("check", "problem.toml", "--json").stdout)["compilable"] is True


class TestInfo:
    def test_network(self, run: Run):
        found = json.loads(run("info", "dynamics.onnx", "--json").stdout)
        assert found["inputs"] == {"x": [3]}
        assert found["outputs"] == {"change": [2]}
        assert found["normal_form"]["relu_units"] == 2
        assert found["operations"]["relu"] == 1
        assert found["digest"] == r2m.load("dynamics.onnx").digest

    def test_problem(self, run: Run):
        found = json.loads(run("info", "problem.toml", "--json").stdout)
        statistics = r2m.compile(r2m.Trajectory.from_toml("problem.toml")).statistics
        assert (found["horizon"], found["states"], found["controls"]) == (3, 2, 1)
        assert found["model"]["columns"] == statistics.columns
        assert found["model"]["rows"] == statistics.rows

    def test_tables_name_what_the_json_names(self, run: Run):
        for file in ("dynamics.onnx", "problem.toml", "box.toml"):
            names = json.loads(run("info", file, "--json").stdout)
            shown = run("info", file).stdout
            assert [line.split("  ")[0] for line in shown.splitlines()] == [name.replace("_", " ") for name in names]

    @pytest.mark.parametrize("file", ["problem.toml", "box.toml"])
    def test_quality(self, run: Run, file: str):
        options = ("--quality", "--bounds", "crown", "--formulation", "triangle")
        found = json.loads(run("info", file, *options, "--json").stdout)
        compiled = r2m.compile(read(Path(file)), bounds="crown", formulation="triangle")
        assert (found["formulation"], found["bounds"]) == ("triangle", ["sets", "crown"])
        assert found["quality"] == pytest.approx(compiled.quality().to_dict())
        assert abs(found["quality"]["best"] - found["quality"]["root"]) < 10
        shown = run("info", file, *options).stdout
        for name in ("root", "best", "gap", "largest m", "spread", "condition"):
            assert f"\n{name} " in shown
        assert "quality" not in json.loads(run("info", file, "--json").stdout)

    def test_quality_of_a_network_alone_is_refused(self, run: Run):
        for option in (("--quality",), ("--bounds", "crown"), ("--formulation", "big-m")):
            assert "need a problem file" in run("info", "dynamics.onnx", *option, code=1).stderr

    def test_drawing(self, run: Run, folder: Path):
        assert run("info", "dynamics.onnx", "--draw", "net.dot").stderr == "wrote net.dot\n"
        assert (folder / "net.dot").read_text().startswith("digraph")

    def test_drawing_without_graphviz(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(shutil, "which", lambda name: None)
        shown = run("info", "dynamics.onnx", "--draw", "net.svg")
        assert shown.stderr.startswith("wrote net.txt in place of net.svg: pictures need graphviz")
        assert shown.stderr.count("\n") == 1
        assert not list(folder.glob("*.svg"))
        assert (folder / "net.txt").read_text() == str(r2m.load("dynamics.onnx"))


class TestBounds:
    def test_table_has_every_layer_and_step(self, run: Run):
        shown = run("bounds", "problem.toml", "--method", "ibp").stdout
        layers = [line.split() for line in shown.splitlines() if ".relu" in line]
        assert [int(line[0]) for line in layers] == [0, 1, 2]
        assert "ibp" in shown

    def test_json_holds_the_intervals(self, run: Run):
        found = json.loads(run("bounds", "problem.toml", "--method", "ibp", "--json").stdout)
        bounds = r2m.compile(r2m.Trajectory.from_toml("problem.toml"), "ibp").all_bounds
        assert [value["lower"] for value in found["values"]] == [lower.tolist() for lower in bounds.lower]
        assert [value["upper"] for value in found["values"]] == [upper.tolist() for upper in bounds.upper]
        assert found["grade"] == "certified"
        assert [entry["method"] for entry in found["provenance"]] == [p.method for p in bounds.provenance]

    def test_data_bounds_are_shown_to_be_unsound(self, run: Run, folder: Path):
        rng = np.random.default_rng(0)
        np.savez(folder / "seen.npz", state=rng.uniform(-2, 2, (500, 2)), control=rng.uniform(-1, 1, (500, 1)))
        found = json.loads(run("bounds", "problem.toml", "--method", "ibp+data(path=seen.npz)", "--json").stdout)
        assert found["grade"] == "unsound"

    def test_several_methods_stand_side_by_side(self, run: Run):
        shown = run("bounds", "problem.toml", "--method", "ibp", "--method", "ibp+crown").stdout.splitlines()
        headers = next(line.split() for line in shown if "step" in line)
        assert headers == ["step", "layer", "units", *["active", "inactive", "unstable", "mean", "width"] * 2]
        rows = [line.split() for line in shown if ".relu" in line]
        for method, first in (("ibp", 3), ("ibp+crown", 7)):
            layers = json.loads(run("bounds", "problem.toml", "--method", method, "--json").stdout)["layers"]
            names = ("active", "inactive", "unstable")
            assert [[int(cell) for cell in row[first : first + 3]] for row in rows] == [
                [layer[name] for name in names] for layer in layers
            ]
            np.testing.assert_allclose(
                [float(row[first + 3]) for row in rows], [layer["mean_width"] for layer in layers], rtol=1e-5
            )
        totals = next(line.split() for line in shown if line.split()[:1] == ["ibp+crown"])
        found = json.loads(run("bounds", "problem.toml", "--method", "ibp+crown", "--json").stdout)
        assert int(totals[1]) == found["unstable"] == sum(layer["unstable"] for layer in found["layers"])
        assert totals[4:] == ["certified", "all", "plans"]

    def test_the_problem_file_may_say_which(self, run: Run, folder: Path):
        write_problem(folder, TRAJECTORY + 'bounds = "ibp+crown(window=1)"\n')
        found = json.loads(run("bounds", "problem.toml", "--json").stdout)
        assert found["bounds"] == "ibp+crown(window=1)"
        assert [entry["method"] for entry in found["provenance"]] == ["sets", "ibp", "crown(window=1)"]

    def test_json_of_several_methods(self, run: Run):
        methods = ["ibp", "crown+lp(scope=full)"]
        options = [word for method in methods for word in ("--method", method)]
        found = json.loads(run("bounds", "problem.toml", *options, "--json").stdout)["methods"]
        assert [entry["bounds"] for entry in found] == methods
        assert [entry["provenance"][-1]["method"] for entry in found] == ["ibp", "lp(scope=full)"]
        assert found[1]["provenance"][-1]["detail"].keys() >= {"programs", "tightened"}
        for entry in found:
            alone = json.loads(run("bounds", "problem.toml", "--method", entry["bounds"], "--json").stdout)
            assert alone["values"] == entry["values"]
            width = sum(layer["units"] * layer["mean_width"] for layer in alone["layers"]) / alone["units"]
            assert alone["mean_width"] == pytest.approx(width)

    def test_a_cutoff_is_shown_with_the_plans_it_keeps(self, run: Run):
        best = r2m.solve(r2m.Trajectory.from_toml("problem.toml"), bounds="ibp").objective
        found = json.loads(run("bounds", "problem.toml", "--method", "crown+cutoff", "--json").stdout)
        assert found["cutoff"] == found["provenance"][-1]["cutoff"]
        assert found["cutoff"] >= best - 1e-9
        shown = run("bounds", "problem.toml", "--method", "crown+cutoff").stdout
        assert f"objective <= {found['cutoff']:.6g}" in shown

    def test_a_cutoff_of_a_maximum_is_a_lower_limit(self, run: Run):
        best = r2m.solve(r2m.BoxProblem.from_toml("box.toml"), bounds="ibp").objective
        shown = run("bounds", "box.toml", "--method", "crown+cutoff").stdout
        (limit,) = {float(line.split(">=")[1].split()[0]) for line in shown.splitlines() if ">=" in line}
        assert best - 1e-2 <= limit <= best + 1e-9

    def test_picture(self, run: Run, folder: Path):
        pytest.importorskip("matplotlib")
        shown = run("bounds", "problem.toml", "--method", "ibp", "--method", "crown", "--plot", "widths.png")
        assert shown.stderr == "wrote widths.png\n"
        assert (folder / "widths.png").read_bytes().startswith(b"\x89PNG")

    def test_saved_bounds_are_those_of_the_method_file(self, run: Run, folder: Path):
        saved = run("bounds", "problem.toml", "--method", "crown+lp", "--save", "bounds.npz", "--json")
        assert saved.stderr == "wrote bounds.npz\n"
        again = run("bounds", "problem.toml", "--method", "file(path=bounds.npz)", "--json")
        assert json.loads(saved.stdout)["values"] == json.loads(again.stdout)["values"]
        answer = json.loads(run("solve", "problem.toml", "--bounds", "file(path=bounds.npz)", "--json").stdout)
        assert answer["objective"] == pytest.approx(r2m.solve(r2m.Trajectory.from_toml("problem.toml")).objective)


class TestCompile:
    @pytest.mark.parametrize("suffix", ["lp", "mps"])
    def test_file_and_map_are_written(self, run: Run, folder: Path, suffix: str):
        before = set(folder.iterdir())
        found = json.loads(run("compile", "problem.toml", "--output", f"plan.{suffix}", "--json").stdout)
        written = {path.name for path in set(folder.iterdir()) - before}
        assert written == {f"plan.{suffix}", f"plan.{suffix}.map.json"}
        assert "state" in (folder / f"plan.{suffix}").read_text()
        assert found["statistics"]["columns"] > 0
        assert found["formulation"] == "big-m"

    def test_a_relaxed_tail_is_written_without_its_binaries(self, run: Run, folder: Path):
        wanted = ("compile", "cartpole.toml", "--bounds", "crown", "--output", "plan.lp", "--json")
        shutil.copy(ROOT / "examples" / "cartpole" / "dynamics.onnx", folder)
        shutil.copy(ROOT / "examples" / "cartpole" / "problem.toml", folder / "cartpole.toml")
        found = {step: json.loads(run(*wanted, "--binary-horizon", step).stdout) for step in ("0", "10")}
        with pytest.warns(UserWarning, match="^plan.lp: big-m with binaries before step 3 alone is a relaxation"):
            found["3"] = json.loads(run(*wanted, "--binary-horizon", "3").stdout)
        binaries = {step: made["statistics"]["binaries"] for step, made in found.items()}
        assert 0 < binaries["3"] < binaries["0"] == binaries["10"]
        assert found["3"]["formulation"] == "big-m with binaries before step 3 alone"
        assert json.loads((folder / "plan.lp.map.json").read_text())["exact"] is False

    def test_other_suffix_is_refused(self, run: Run, folder: Path):
        assert (
            "plan.txt: cannot write .txt; use .lp or .mps"
            in run("compile", "problem.toml", "--output", "plan.txt", code=1).stderr
        )
        assert not list(folder.glob("plan*"))


class TestSolve:
    def test_every_backend_gives_the_same_objective(self, run: Run, backend: str):
        found = json.loads(run("solve", "problem.toml", "--backend", backend, "--json").stdout)
        assert found["backend"] == backend
        assert found["objective"] == pytest.approx(
            r2m.solve(r2m.Trajectory.from_toml("problem.toml")).objective, abs=1e-4
        )

    def test_json_is_the_saved_answer(self, run: Run, folder: Path):
        printed = json.loads(run("solve", "problem.toml", "--json", "--output", "answer.json").stdout)
        assert printed == json.loads((folder / "answer.json").read_text())
        answer = r2m.Answer.load(folder / "answer.json")
        assert answer.has_plan
        assert answer.controls.tolist() == printed["controls"]
        assert set(printed) == set(vars(answer)) - {"certificate"}

    def test_table_shows_the_plan(self, run: Run):
        shown = run("solve", "problem.toml").stdout
        answer = r2m.solve(r2m.Trajectory.from_toml("problem.toml"))
        rows = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
        for t in range(3):
            shown_values = [float(cell) for cell in rows[str(t)][1:4]]
            np.testing.assert_allclose(shown_values, [*answer.controls[t], *answer.states[t]], atol=1e-3)
        assert rows["status"] == ["status", "optimal"]
        assert float(rows["objective"][1]) == pytest.approx(answer.objective, rel=1e-5)
        assert rows["check"][1] == "passed,"
        assert "exact" not in rows

    def test_table_says_which_plans_the_bounds_hold_for(self, run: Run):
        answer = r2m.solve(r2m.Trajectory.from_toml("problem.toml"), bounds="crown+cutoff")
        shown = run("solve", "problem.toml", "--bounds", "crown+cutoff").stdout
        assert f"bounds hold  for plans at least as good as {answer.cutoff:.6g}" in shown
        assert answer.cutoff == pytest.approx(answer.objective, abs=1e-3)
        assert "bounds hold" not in run("solve", "problem.toml", "--bounds", "crown").stdout

    def test_sizes_are_shown_per_layer_and_step(self, run: Run):
        shown = run("solve", "problem.toml", "--sizes").stdout
        layers = [line.split() for line in shown.splitlines() if ".relu" in line]
        answer = r2m.solve(r2m.Trajectory.from_toml("problem.toml"))
        assert [(int(line[0]), int(line[2]), int(line[-1])) for line in layers] == [
            (layer.step, layer.units, layer.nonzeros) for layer in answer.statistics.layers
        ]

    def test_box_problem(self, run: Run):
        shown = run("solve", "box.toml").stdout
        assert "x[2]" in shown
        assert "change[1]" in shown

    def test_picture(self, run: Run, folder: Path):
        pytest.importorskip("matplotlib")
        assert "wrote plan.png" in run("solve", "problem.toml", "--plot", "plan.png").stderr
        assert (folder / "plan.png").read_bytes().startswith(b"\x89PNG")

    def test_options_go_before_the_file(self, run: Run, monkeypatch: pytest.MonkeyPatch):
        from relu2mip.backends.highs import HighsBackend

        seen: list[r2m.SolveOptions] = []
        solve = HighsBackend.solve

        def spy(self: HighsBackend, model: Any, options: r2m.SolveOptions, aids: Any) -> Any:
            if aids.heuristic is not None:  # one of the problem, and not of a search for plans inside it
                seen.append(options)
            return solve(self, model, options, aids)

        monkeypatch.setattr(HighsBackend, "solve", spy)
        run("solve", "problem.toml")
        chosen = ("--gap", "0.01", "--threads", "1", "--seed", "7")
        exactly = ("--no-rescale", "--no-presolve", "--tolerance", "1e-7")
        run("solve", "problem.toml", "--time-limit", "2min", *chosen, *exactly)
        assert seen == [
            r2m.SolveOptions(time_limit=30.0),
            r2m.SolveOptions(
                time_limit=120.0, gap=0.01, threads=1, seed=7, rescale=False, presolve=False, tolerance=1e-7
            ),
        ]

    @pytest.mark.parametrize("backend", installed_backends())
    def test_log_goes_to_standard_error(self, folder: Path, backend: str):
        result = program("solve", "problem.toml", "--log", "--json", "--backend", backend, cwd=folder)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["status"] == "optimal"
        assert len(result.stderr.splitlines()) > 5


JSON_ALONE = [
    ("check", "problem.toml"),
    ("info", "problem.toml", "--quality", "--formulation", "ideal"),
    ("bounds", "problem.toml", "--method", "crown+lp+mip", "--method", "crown+cutoff"),
    ("compile", "problem.toml", "--output", "plan.lp", "--formulation", "regions"),
    *(("solve", "problem.toml", "--threads", "1", "--backend", backend) for backend in installed_backends()),
    ("mpc", "problem.toml", "--planner", "mip", "--steps", "2", "--period", "1"),
    ("study", "study.toml", "--workers", "1"),
    ("analyze", "--problem", "problem.toml"),
    ("list",),
    ("demo", "--example", str(ROOT / "examples" / "cartpole")),
]


class TestStandardOutput:
    @pytest.mark.parametrize("command", JSON_ALONE, ids=lambda command: "-".join(command[::4]))
    def test_json_stands_alone(self, folder: Path, command: tuple[str, ...]):
        result = program(*command, "--json", cwd=folder)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)
        assert result.stdout[0] in "{["

    def test_every_command_that_meets_a_solver_is_tried(self):
        elsewhere = {"sparsify", "export", "status", "report", "verify"}
        assert {command[0] for command in JSON_ALONE} == set(COMMANDS) - elsewhere


class TestCertificate:
    def test_a_proof_is_written_and_proven_again(self, run: Run, folder: Path):
        written = run("solve", "problem.toml", "--search", "cells", "--certificate", "proof.npz")
        assert "wrote proof.npz" in written.stderr
        found = json.loads(run("verify", "problem.toml", "proof.npz", "--json").stdout)
        assert found["passed"]
        assert found["leaves"] == found["proven"]
        assert "proven again" in run("verify", "problem.toml", "proof.npz").stdout

    def test_another_problem_is_refused(self, run: Run, folder: Path):
        run("solve", "problem.toml", "--search", "cells", "--certificate", "proof.npz")
        write_problem(folder, TRAJECTORY.replace("horizon = 3", "horizon = 2"))
        assert "another problem" in run("verify", "problem.toml", "proof.npz", code=1).stderr

    def test_the_tree_has_none(self, run: Run, folder: Path):
        told = run("solve", "problem.toml", "--certificate", "proof.npz", code=1).stderr
        assert "--search" in told
        assert not (folder / "proof.npz").exists()


class TestNoPlan:
    def test_infeasible_names_the_sets(self, run: Run, folder: Path):
        far = '[[constraints]]\nname = "far"\nstate = [[1.0, 0.0]]\nlower = 1.9\n'
        write_problem(folder, TRAJECTORY.replace("[solve]", far + "[solve]"))
        result = run("solve", "problem.toml", "--output", "answer.json", "--bounds", "ibp", code=3)
        assert "no plan satisfies the constraints" in result.stderr
        assert "far" in result.stderr
        assert not (folder / "answer.json").exists()

    def test_unreachable_set_names_state_and_step(self, run: Run, folder: Path):
        write_problem(folder, TRAJECTORY.replace("[solve]", "[terminal]\nlower = [1.9, 1.9]\nupper = 2.0\n[solve]"))
        assert "t03.state[0]: nothing in [1.9, 2] can be reached" in run("solve", "problem.toml", code=3).stderr

    def test_limit_before_any_plan(self, run: Run, folder: Path):
        example = ROOT / "examples" / "cartpole"
        text = (example / "problem.toml").read_text().replace("horizon = 10", "horizon = 30")
        network = (example / "dynamics_2x32.onnx").as_posix()
        # No sample comes this close to the upright position at rest, so the search alone could find a plan.
        text += "\n[terminal]\nlower = -1e-3\nupper = 1e-3\n"
        (folder / "long.toml").write_text(text.replace("dynamics.onnx", network))
        limited = ("solve", "long.toml", "--time-limit", "1ms", "--output", "answer.json", "--json")
        result = run(*limited, "--bounds", "crown", "--backend", "highs(incumbents=off)", code=3)
        assert "stopped by the time limit before any plan was found" in result.stderr
        assert result.stdout == ""
        assert not (folder / "answer.json").exists()

    def test_a_plan_found_beforehand_survives_the_limit(self, run: Run, cartpole: None):
        found = json.loads(run("solve", "cartpole.toml", "--time-limit", "1ms", "--json").stdout)
        assert (found["has_plan"], found["status"]) == (True, "time limit")
        compiled = r2m.compile(r2m.Trajectory.from_toml("cartpole.toml"), bounds="crown+cutoff")
        answer = compiled.solve(time_limit=1e-3)
        assert answer.has_plan
        assert answer.objective <= answer.cutoff + 1e-6

    def test_a_relaxation_is_called_one(self, run: Run, cartpole: None):
        relaxed = ("solve", "cartpole.toml", "--bounds", "crown", "--formulation", "triangle")
        result = run(*relaxed)
        assert "no, triangle is a relaxation: the plan is what the network makes of its controls" in result.stdout
        found, best = json.loads(run(*relaxed, "--json").stdout), r2m.solve(r2m.Trajectory.from_toml("cartpole.toml"))
        assert (found["exact"], found["has_plan"], found["status"]) == (False, True, "relaxed")
        assert found["bound"] < best.objective < found["objective"]

    def test_a_relaxed_tail_is_called_one(self, run: Run, cartpole: None):
        relaxed = ("solve", "cartpole.toml", "--bounds", "crown", "--binary-horizon", "2")
        assert "no, big-m with binaries before step 2 alone is a relaxation" in run(*relaxed).stdout
        found, best = json.loads(run(*relaxed, "--json").stdout), r2m.solve(r2m.Trajectory.from_toml("cartpole.toml"))
        assert (found["exact"], found["status"]) == (False, "relaxed")
        assert found["bound"] <= best.objective + 1e-6

    def test_a_relaxation_whose_controls_are_no_plan(self, run: Run, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("relu2mip.pipeline.answer.SOLUTION", -1.0)
        result = run("solve", "problem.toml", "--bounds", "ibp", "--formulation", "triangle", code=3)
        assert "no, triangle is a relaxation: its controls are no plan" in result.stdout
        assert "no plan: triangle is a relaxation, and its controls leave the sets" in result.stderr

    def test_point_that_fails_the_check(self, run: Run, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("relu2mip.pipeline.answer.SOLUTION", -1.0)
        result = run("solve", "problem.toml", code=4)
        assert "FAILED" in result.stdout
        assert "highs: the controls of the returned point leave the sets" in result.stderr

    def test_every_error_has_its_code(self):
        no_plan = {errors.InfeasibleProblem, errors.CrossedBounds, errors.UnboundedProblem, errors.NoIncumbent}
        backend = {errors.BackendUnavailable, errors.CapabilityMissing, errors.SolverFailure}
        backend |= {errors.ContradictoryBounds}
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Relu2MipError)]
        assert len(kinds) > 12
        for kind in kinds:
            wanted = 3 if kind in no_plan | {errors.OutOfTime} else 4 if kind in backend else 1
            error = kind.__new__(kind)
            error.stop = "time limit"
            assert exit_code(error) == wanted
            error.stop = "interrupted"
            assert exit_code(error) == (INTERRUPTED if kind is errors.NoIncumbent else wanted)
        assert exit_code(OSError()) == 1

    def test_the_documentation_lists_the_codes(self):
        page = (ROOT / "docs" / "guide" / "command-line.md").read_text(encoding="utf-8")
        table = page.partition("## Exit codes")[2].partition("## ")[0]
        listed = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
        assert listed == {0, 1, 2, INTERRUPTED, *EXIT_CODES.values()}

    def test_wrong_usage(self, run: Run):
        run("solve", code=2)
        run("sovle", "problem.toml", code=2)
        run("solve", "problem.toml", "--no-such-option", code=2)


class TestBackends:
    @pytest.mark.parametrize(("backend", "package"), [("gurobi", "gurobipy"), ("cvxpy", "cvxpy"), ("highs", "highspy")])
    def test_missing_backend(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, backend: str, package: str):
        find = importlib.util.find_spec
        monkeypatch.setattr(
            "relu2mip.backends.protocol.find_spec", lambda name: None if name == package else find(name)
        )
        result = run("solve", "problem.toml", "--backend", backend, "--output", "answer.json", code=4)
        assert f"{package} is not installed: pip install" in result.stderr
        assert not (folder / "answer.json").exists()
        listed = json.loads(run("list", "backends", "--json").stdout)["backends"]
        assert {entry["name"]: entry["available"] for entry in listed}[backend] is False

    @pytest.mark.skipif("gurobi" not in installed_backends(), reason="gurobipy is not installed")
    def test_licence_too_small(self, run: Run, folder: Path):
        from gurobipy import Env, GurobiError, Model

        try:
            with Env(params={"OutputFlag": 0}) as environment, Model(env=environment) as model:
                model.addVars(2001)
                model.optimize()
            pytest.skip("this Gurobi licence has no limit of size")
        except GurobiError:
            pass
        write_problem(folder, TRAJECTORY.replace("horizon = 3", "horizon = 400"))
        result = run("solve", "problem.toml", "--backend", "gurobi", "--bounds", "ibp", code=4)
        assert "licence" in result.stderr
        assert "2,000" in result.stderr


PROBLEM_EDITS = {
    "unknown key": ("horizon = 3", "horizn = 3", "did you mean 'horizon'"),
    "horizon below 1": ("horizon = 3", "horizon = 0", "horizon is 0"),
    "sizes that differ": ("[1.0, 0.0]", "[1.0]", "predicts 2 states"),
    "empty box": ("upper = 2\n", "upper = -3\n", "states: the box [-2, -3] of unit 0 at step 1 is empty"),
    "infinite box": ("upper = 1\n", "upper = inf\n", "controls: the box [-1, inf] of unit 0 at step 0 is infinite"),
    "cost that is not convex": ('"l1"\nstate = [1.0, 0.1]', '"quadratic"\nstate = [[1, 2], [2, 1]]', "not convex"),
    "missing network": ("dynamics.onnx", "nowhere.onnx", "there is no file nowhere.onnx"),
    "not a network": ("dynamics.onnx", "problem.toml", "problem.toml: is not an ONNX file"),
    "unsupported network": ("dynamics.onnx", "unsupported.onnx", "Sigmoid"),
    "unknown backend": ("time_limit = 30", 'backend = "hihgs"', "did you mean 'highs'"),
    "data bounds without data": ("time_limit = 30", 'bounds = "ibp+data(path=no.npz)"', "no file no.npz"),
    "not TOML": ("horizon = 3", "horizon =", "problem.toml: not a TOML file"),
}


@pytest.mark.parametrize("edit", PROBLEM_EDITS)
@pytest.mark.parametrize(
    "command",
    [
        ("solve", "problem.toml", "--output", "out.json", "--plot", "out.png"),
        ("compile", "problem.toml", "--output", "out.lp"),
        ("bounds", "problem.toml"),
        ("info", "problem.toml", "--draw", "out.dot"),
        ("check", "problem.toml"),
    ],
    ids=lambda command: command[0],
)
def test_bad_problem_gets_one_message_and_leaves_nothing(run: Run, folder: Path, edit: str, command: tuple[str, ...]):
    old, new, message = PROBLEM_EDITS[edit]
    assert old in TRAJECTORY
    write_problem(folder, TRAJECTORY.replace(old, new, 1))
    before = set(folder.iterdir())
    result = run(*command, code=1)
    assert result.stderr.count("error: ") == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert set(folder.iterdir()) == before


def truncated(folder: Path) -> str:
    data = (folder / "dynamics.onnx").read_bytes()
    (folder / "bad.onnx").write_bytes(data[: len(data) // 2])
    return "bad.onnx: is not an ONNX file, or is truncated"


def not_onnx(folder: Path) -> str:
    (folder / "bad.onnx").write_bytes(b"PK\x03\x04 hello")
    return "bad.onnx: is not an ONNX file"


def nan_weights(folder: Path) -> str:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(folder / "dynamics.onnx")
    weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[0, 0] = np.nan
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, model.graph.initializer[0].name))
    onnx.save(model, folder / "bad.onnx")
    return "NaN"


def lost_external_data(folder: Path) -> str:
    import onnx

    model = onnx.load(folder / "dynamics.onnx")
    onnx.save(model, folder / "bad.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    (folder / "weights.bin").unlink()
    return "weights.bin"


@pytest.mark.parametrize("spoil", [truncated, not_onnx, nan_weights, lost_external_data])
@pytest.mark.parametrize("command", [("check",), ("info", "--draw", "out.dot")], ids=lambda command: command[0])
def test_bad_network_gets_one_message(run: Run, folder: Path, spoil: Callable[[Path], str], command: tuple[str, ...]):
    message = spoil(folder)
    result = run(*command, "bad.onnx", code=1)
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stdout == ""
    assert not (folder / "out.dot").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("solve", "nowhere.toml"), 1, "nowhere.toml: cannot read the problem file"),
        (("solve", "dynamics.onnx"), 1, "this is a network; give a problem file"),
        (("check", "nowhere.onnx"), 1, "nowhere.onnx"),
        (("solve", "problem.toml", "--backend", "gorubi"), 1, "unknown backend 'gorubi': did you mean 'gurobi'"),
        (("solve", "problem.toml", "--bounds", "ibpp"), 1, "did you mean 'ibp'"),
        (("solve", "problem.toml", "--formulation", "bigm"), 1, "did you mean 'big-m'"),
        (("bounds", "problem.toml", "--method", "data(pth=x)"), 1, "did you mean 'path'"),
        (("solve", "problem.toml", "--time-limit", "soon"), 1, "'time_limit' is 'soon'"),
        (("solve", "problem.toml", "--gap", "-1"), 1, "gap is -1"),
        (("solve", "problem.toml", "--binary-horizon", "-1"), 1, "binary_horizon is -1; give a whole number"),
        (("solve", "box.toml", "--binary-horizon", "2"), 1, "binary_horizon is 2; a box problem has no steps"),
        (("compile", "problem.toml", "--output", "p.lp", "--binary-horizon", "x"), 2, "binary-horizon"),
        (("solve", "problem.toml", "--output", "no/answer.json"), 1, "there is no folder no"),
        (("solve", "problem.toml", "--output", "."), 1, "is a folder"),
        (("solve", "problem.toml", "--plot", "plan.txt"), 1, "cannot draw to .txt"),
        (("solve", "box.toml", "--plot", "plan.png"), 1, "no steps to plot"),
        (("bounds", "box.toml", "--plot", "plan.png"), 1, "no steps to plot"),
        (("bounds", "problem.toml", "--plot", "plan.txt"), 1, "cannot draw to .txt"),
        (("bounds", "problem.toml", "--save", "bounds.txt"), 1, "bounds.txt: cannot write .txt; use .npz"),
        (
            ("bounds", "problem.toml", "--method", "ibp", "--method", "crown", "--save", "b.npz"),
            1,
            "give --method once",
        ),
        (("bounds", "problem.toml", "--method", "ibp", "--method", "crwn"), 1, "did you mean 'crown'"),
        (("solve", "problem.toml", "--bakend", "highs"), 2, "--backend"),
        (("solve",), 2, "Missing argument"),
        (("compile", "problem.toml"), 2, "--output"),
        (("slove", "problem.toml"), 2, "solve"),
        (("list", "opps"), 2, "ops"),
        (("solve", "problem.toml", "--threads", "two"), 2, "--threads"),
    ],
)
def test_bad_arguments(run: Run, folder: Path, arguments: tuple[str, ...], code: int, message: str):
    before = set(folder.iterdir())
    result = run(*arguments, code=code)
    assert message in result.stderr
    assert result.stdout == ""
    assert set(folder.iterdir()) == before


def test_write_that_fails_leaves_nothing(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    def fill_the_disk(self: r2m.Answer, path: Path) -> None:
        path.write_text('{"status": ')
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(r2m.Answer, "save", fill_the_disk)
    before = set(folder.iterdir())
    result = run("solve", "problem.toml", "--output", "answer.json", code=1)
    assert "No space left on device" in result.stderr
    assert set(folder.iterdir()) == before


def test_debug_shows_the_traceback(run: Run):
    result = run("solve", "nowhere.toml", "--debug", code=1)
    assert "Traceback (most recent call last)" in result.stderr
    assert "InvalidProblem" in result.stderr


def test_program_runs_as_installed(folder: Path):
    result = program("solve", "problem.toml", "--json", cwd=folder)
    assert result.returncode == 0
    assert result.stderr == ""
    assert json.loads(result.stdout)["has_plan"] is True
    result = program("solve", "nowhere.toml", cwd=folder)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1


class TestList:
    def test_everything(self, run: Run):
        found = json.loads(run("list", "--json").stdout)
        assert list(found) == ["ops", "bounds", "formulations", "backends", "searches", "planners", "gates"]
        assert {"Gemm", "Relu", "Conv"} <= {entry["op"] for entry in found["ops"]}
        assert {"ibp", "data"} <= {entry["name"] for entry in found["bounds"]}
        assert [entry["name"] for entry in found["bounds"] if entry["grade"] == "unsound"] == ["data"]
        assert {entry["name"] for entry in found["formulations"]} >= {"big-m"}
        assert all(entry["version"] for entry in found["backends"] if entry["available"])
        shown = run("list").stdout
        assert all(
            entry["name"] in shown for family in ("bounds", "formulations", "backends") for entry in found[family]
        )

    def test_one_family(self, run: Run):
        assert list(json.loads(run("list", "formulations", "--json").stdout)) == ["formulations"]


class TestDemo:
    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        pytest.importorskip("gymnasium")
        pytest.importorskip("matplotlib")

    def test_plan_is_replayed_and_drawn(self, run: Run, folder: Path):
        found = json.loads(run("demo", "--json").stdout)
        assert (folder / "cartpole.png").read_bytes().startswith(b"\x89PNG")
        assert found["status"] == "optimal"
        states, simulated = np.array(found["states"]), np.array(found["simulated"])
        assert simulated.shape == states.shape == (11, 4)
        assert 0 < np.abs(simulated - states).max() < 0.02
        assert abs(simulated[-1, 2]) < 0.01

    def test_table_and_path_are_printed(self, run: Run):
        result = run("demo", "--plot", "swing.svg")
        rows = [line.split() for line in result.stdout.splitlines()]
        assert [row[0] for row in rows if len(row) >= 9 and row[0].isdigit()] == [str(t) for t in range(11)]
        assert "simulated" in result.stdout
        assert "wrote swing.svg" in result.stderr

    def test_installation_without_the_example(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("relu2mip.cli.demo.CHECKOUT", folder)
        result = run("demo", code=1)
        assert "make demo" in result.stderr
        assert "--example examples/cartpole" in result.stderr
        assert not (folder / "cartpole.png").exists()
        run("demo", "--example", str(ROOT / "examples" / "cartpole"))

    def test_missing_simulator(self, run: Run, monkeypatch: pytest.MonkeyPatch):
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gymnasium" else find(name))
        assert 'pip install "relu2mip[demo]"' in run("demo", code=1).stderr


class TestDemoTask:
    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        for package in ("gymnasium", "pymunk", "PIL"):
            pytest.importorskip(package)

    @pytest.mark.slow
    @pytest.mark.parametrize("task", ["push", "rope", "sort"])
    def test_an_episode_is_drawn(self, run: Run, folder: Path, task: str):
        found = json.loads(run("demo", task, "--json").stdout)
        picture = (folder / f"{task}.gif").read_bytes()
        assert picture.startswith(b"GIF")
        assert len(picture) < 500_000
        assert len(found["distances"]) == found["steps"] + 1
        # The rope does not get there: docs/examples/claims.md.
        assert task == "rope" or found["distances"][-1] < found["distances"][0]
        assert (found["task"], found["plot"]) == (task, f"{task}.gif")

    def test_distance_and_success_are_told(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
        import relu2mip.cli.demo_task

        shown = relu2mip.cli.demo_task._module(ROOT / "examples").shown
        settings = sys.modules["claims.show"].SETTINGS
        monkeypatch.setitem(settings, "push", {**settings["push"], "relus": 8, "horizon": 2, "period": 0.03})
        result = run("demo", "push", "--plot", "it.gif", "--seed", "4")
        _, env = shown("push", 4)
        env.reset(seed=4)
        assert f"distance   {env.task.cost(env.task.state):.1f} px at first" in result.stdout
        assert "success" in result.stdout
        assert "wrote it.gif" in result.stderr

    def test_what_it_cannot_do_is_said_at_once(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
        assert "cannot write .png; use .gif" in run("demo", "push", "--plot", "it.png", code=1).stderr
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pymunk" else find(name))
        assert 'needs pymunk: install it with pip install "relu2mip[envs,plot]"' in run("demo", "push", code=1).stderr
        monkeypatch.setattr("relu2mip.cli.demo.CHECKOUT", folder)
        assert "--example examples" in run("demo", "rope", code=1).stderr
        assert "Invalid value" in run("demo", "fly", code=2).stderr


def test_names_that_the_terminal_cannot_write_are_replaced(folder: Path) -> None:
    text = "\ufeff" + TRAJECTORY.replace("[states]", 'state_names = ["θ", "ω"]\n\n[states]')
    (folder / "greek.toml").write_text(text, encoding="utf-8")
    program = [sys.executable, "-c", "from relu2mip.cli import main; main()", "solve", "greek.toml"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "optimal" in result.stdout
    assert "?" in result.stdout
    assert "Traceback" not in result.stderr


def test_a_narrow_terminal_drops_whole_columns_and_says_so(folder: Path) -> None:
    methods = [part for name in ("crown", "crown+lp", "ibp") for part in ("--method", name)]
    program = [sys.executable, "-c", "from relu2mip.cli import main; main()", "bounds", "problem.toml", *methods]
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    result = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)
    header = next(line for line in plain.splitlines() if "step" in line and "layer" in line)
    assert header.count("unstable") == 3
    assert "…" not in plain
    assert max(map(len, plain.splitlines())) <= 80 or "left out" in plain
    assert "left out for want of width: active, inactive" in plain
