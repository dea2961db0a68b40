"""Pictures of plans: what is drawn, and what is refused."""

import dataclasses
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.ir.samples import integrator, tiny
from relu2mip.plots.plan import plot_answer

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure


@pytest.fixture(scope="module")
def problem() -> r2m.Trajectory:
    return r2m.Trajectory(
        integrator(),
        horizon=4,
        initial_state=[1.0, 0.0],
        predicts="change",
        controls=r2m.Box(-1, 1),
        states=r2m.Box([-2, -np.inf], [1.05, np.inf]),
        cost=r2m.costs.L1(state=1.0, control=0.1),
        state_names=["position", "velocity"],
        control_names=["force"],
    )


@pytest.fixture(scope="module")
def answer(problem: r2m.Trajectory) -> r2m.Answer:
    return r2m.solve(problem)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved while the test runs."""
    saved: list[Figure] = []
    save = Figure.savefig

    def remember(figure: Figure, *arguments: object, **options: object) -> None:
        saved.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", remember)
    return saved


def lines(figure: Figure) -> dict[str, dict[str, np.ndarray]]:
    """The labelled curves of each panel by the panel's title."""
    return {
        axes.get_title(loc="left"): {line.get_label(): line.get_ydata() for line in axes.lines} for axes in figure.axes
    }


def test_states_and_controls_are_drawn_by_name(answer: r2m.Answer, tmp_path: Path, figures: list[Figure]):
    assert plot_answer(answer, tmp_path / "plan.png") == tmp_path / "plan.png"
    (figure,) = figures
    panels = lines(figure)
    assert list(panels) == ["position", "velocity", "force"]
    np.testing.assert_array_equal(panels["position"]["planned"], answer.states[:, 0])
    np.testing.assert_array_equal(panels["velocity"]["planned"], answer.states[:, 1])
    (stairs,) = figure.axes[2].patches
    np.testing.assert_array_equal(stairs.get_data().values, answer.controls[:, 0])
    np.testing.assert_array_equal(stairs.get_data().edges, np.arange(5))
    assert figure.get_suptitle().startswith(f"optimal: objective {answer.objective:.6g}")


def test_replay_stands_beside_the_plan(answer: r2m.Answer, tmp_path: Path, figures: list[Figure]):
    beside = answer.states + 0.1
    plot_answer(answer, tmp_path / "plan.png", replay=beside, replay_name="measured")
    panels = lines(figures[0])
    np.testing.assert_array_equal(panels["velocity"]["measured"], beside[:, 1])
    assert [text.get_text() for text in figures[0].axes[0].get_legend().get_texts()] == ["planned", "measured"]


def test_limits_leave_the_scale_as_it_is(
    answer: r2m.Answer, problem: r2m.Trajectory, tmp_path: Path, figures: list[Figure]
):
    plot_answer(answer, tmp_path / "without.png")
    plot_answer(answer, tmp_path / "with.png", problem=replace(problem, cost=None))
    without, within = figures
    assert [axes.get_ylim() for axes in without.axes] == [axes.get_ylim() for axes in within.axes]
    added = [len(b.lines) - len(a.lines) for a, b in zip(without.axes, within.axes, strict=True)]
    assert added == [2, 0, 2]  # no lines for the infinite limits of the velocity


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_formats(answer: r2m.Answer, tmp_path: Path, suffix: str):
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert answer.plot(tmp_path / f"plan{suffix}").read_bytes().startswith(starts[suffix])


def test_many_states_stand_in_columns(answer: r2m.Answer, tmp_path: Path, figures: list[Figure]):
    names = tuple(f"state {i}" for i in range(10))
    wide = replace(answer, states=np.random.default_rng(0).normal(size=(5, 10)), state_names=names)
    plot_answer(wide, tmp_path / "plan.png")
    shown = [axes for axes in figures[0].axes if axes.get_visible()]
    assert {axes.get_title(loc="left") for axes in shown} == {*names, "force"}
    assert len({axes.get_position().x0 for axes in shown}) == 2


def test_what_cannot_be_drawn_is_refused(answer: r2m.Answer, tmp_path: Path):
    with pytest.raises(Relu2MipError, match=r"cannot draw to \.txt; use one of \.png, \.svg, \.pdf"):
        plot_answer(answer, tmp_path / "plan.txt")
    with pytest.raises(InvalidProblem, match=r"replay has shape \(4, 2\); give the states \(5, 2\)"):
        plot_answer(answer, tmp_path / "plan.png", replay=answer.states[1:])
    box = r2m.solve(r2m.BoxProblem(tiny(), -1, 1, [1.0], "max"))
    with pytest.raises(InvalidProblem, match="box problem"):
        plot_answer(box, tmp_path / "plan.png")
    assert list(tmp_path.iterdir()) == []


def test_missing_matplotlib_names_the_extra(answer: r2m.Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    with pytest.raises(Relu2MipError, match=r'pip install "relu2mip\[plot\]"'):
        plot_answer(answer, tmp_path / "plan.png")
    assert list(tmp_path.iterdir()) == []


def test_no_window_system_is_touched(answer: r2m.Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plot_answer(answer, tmp_path / "plan.png")
    assert "matplotlib.pyplot" not in sys.modules


def test_targets_and_time_are_drawn(answer: r2m.Answer, problem: r2m.Trajectory, tmp_path: Path, figures: list[Figure]):
    plot_answer(answer, tmp_path / "plan.png", problem=dataclasses.replace(problem, period=0.05))
    (figure,) = figures
    axes = figure.axes[0]
    dashed = [line for line in axes.lines if line.get_label() == "target"]
    assert dashed
    assert {float(y) for line in dashed for y in np.ravel(line.get_ydata())}
    np.testing.assert_allclose(axes.lines[0].get_xdata(), 0.05 * np.arange(problem.horizon + 1))
    assert any(part.get_xlabel() == "time (s)" for part in figure.axes)
    with pytest.raises(InvalidProblem, match="period is -1; give a number above 0"):
        plot_answer(answer, tmp_path / "plan.png", period=-1)


def test_a_constant_is_drawn_flat(tmp_path: Path, figures: list[Figure]):
    resting = r2m.Trajectory(
        integrator(), 3, [1.0, 1e-9], r2m.Box(-1, 1), "change", states=r2m.Box(-2, 2), cost=r2m.costs.L1(control=1.0)
    )
    plot_answer(r2m.solve(resting), tmp_path / "plan.png", problem=resting)
    (figure,) = figures
    low, high = figure.axes[1].get_ylim()
    assert high - low >= 0.02 * 4 * 0.99
