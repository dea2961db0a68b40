"""Pictures of bounds: what is drawn, and what is refused."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Bounds
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.ir.samples import integrator, tiny
from relu2mip.plots.bounds import plot_bounds
from tests.test_plot import figures  # noqa: F401

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure


def bounded(method: str, states: float = 4.0, horizon: int = 6) -> Bounds:
    """Bounds of a small problem."""
    problem = r2m.Trajectory(
        integrator(),
        horizon=horizon,
        initial_state=r2m.Box([0.5, 0.0], [1.0, 1.5]),
        predicts="change",
        controls=r2m.Box(-1, 1),
        states=r2m.Box(-states, states),
    )
    return r2m.compile(problem, method).all_bounds


def test_a_line_for_each_method(tmp_path: Path, figures: list[Figure]):  # noqa: F811
    found = {"ibp": bounded("ibp"), "both": bounded("ibp+crown")}
    assert plot_bounds(found, tmp_path / "widths.png") == tmp_path / "widths.png"
    widths, counts = figures[0].axes
    assert [line.get_label() for line in widths.lines] == [
        f"{name}: {sum(line.get_ydata())} unstable" for name, line in zip(found, counts.lines, strict=False)
    ]
    for k, bounds in enumerate(found.values()):
        relus = [value for value in bounds.form.values if value.place.layer.endswith("relu")]
        for step in range(6):
            inputs = [value.input for value in relus if value.place.step == step]
            low = np.concatenate([bounds.lower[i] for i in inputs])
            high = np.concatenate([bounds.upper[i] for i in inputs])
            assert widths.lines[k].get_ydata()[step] == pytest.approx((high - low).mean())
            assert counts.lines[k].get_ydata()[step] == ((low < 0) & (high > 0)).sum()
        assert widths.lines[k].get_xdata().tolist() == list(range(6))


def test_widths_that_span_decades_are_drawn_in_decades(tmp_path: Path, figures: list[Figure]):  # noqa: F811
    plot_bounds({"ibp": bounded("ibp", 1e6, 20)}, tmp_path / "far.png")
    plot_bounds({"ibp": bounded("ibp", 1.5)}, tmp_path / "near.png")
    assert [figure.axes[0].get_yscale() for figure in figures] == ["log", "linear"]
    assert figures[1].axes[0].get_ylim()[0] == 0


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    box = r2m.compile(r2m.BoxProblem(tiny(), -1, 1, [1.0], "max"), "ibp").all_bounds
    with pytest.raises(InvalidProblem, match="box problem"):
        plot_bounds({"ibp": box}, tmp_path / "widths.png")
    with pytest.raises(Relu2MipError, match=r"cannot draw to \.txt"):
        plot_bounds({"ibp": bounded("ibp")}, tmp_path / "widths.txt")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    with pytest.raises(Relu2MipError, match=r'pip install "relu2mip\[plot\]"'):
        plot_bounds({"ibp": bounded("ibp")}, tmp_path / "widths.png")
    assert list(tmp_path.iterdir()) == []
