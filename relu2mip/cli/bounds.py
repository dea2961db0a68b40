"""`relu2mip bounds`: how tight the bounds of each layer are at each step, for one method or several side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu2mip.cli.arguments import Debug, Json, Problem, check_choices
from relu2mip.cli.console import message, show, show_json, table
from relu2mip.cli.files import check_output, complete
from relu2mip.cli.report import LAYER, comparison, holds_for, layer_table
from relu2mip.cli.watching import watching
from relu2mip.errors import InvalidOption, InvalidProblem

if TYPE_CHECKING:
    from relu2mip.bounds import Bounds

Methods = Annotated[
    list[str] | None,
    typer.Option(help='Bound methods, such as "crown+lp(budget=5s)"; give it again to compare.', show_default=False),
]
Plot = Annotated[Path | None, typer.Option(help="Draw widths over the steps: .png, .svg or .pdf.", show_default=False)]

Save = Annotated[
    Path | None, typer.Option(help="Write the bounds of one method, for the method file: .npz.", show_default=False)
]


def bounds(
    problem: Problem,
    method: Methods = None,
    plot: Plot = None,
    save: Save = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Bound every unit of a problem's network and show, for each layer and step, how many units are stable.

    Mean widths are those of the pre-activations.

    Examples:
      relu2mip bounds problem.toml
      relu2mip bounds problem.toml --method crown --method "crown+lp" --plot widths.png
      relu2mip bounds problem.toml --method "ibp+data(path=transitions.npz)" --json
      relu2mip bounds problem.toml --method "crown+lp" --save bounds.npz
    """
    from relu2mip.bounds import compute_bounds
    from relu2mip.pipeline.specs import resolve_bounds
    from relu2mip.trajectory.box_problem import BoxProblem
    from relu2mip.trajectory.read import read

    for name in method or []:
        check_choices(name)
    check_output(save, (".npz",))
    if plot is not None:
        from relu2mip.plots.plan import check_plot

        check_output(check_plot(plot))
    described = read(problem)
    if plot is not None and isinstance(described, BoxProblem):
        raise InvalidProblem(f"{problem} has no steps to plot, it is a box problem; leave out --plot")
    stacks = {name: resolve_bounds(name) for name in method or []}
    if not stacks:
        methods = resolve_bounds(described.options.get("bounds", "auto"))
        stacks = {"+".join(map(str, methods)): methods}
    if save is not None and len(stacks) > 1:
        raise InvalidOption(f"--save writes the bounds of one method, and here are {len(stacks)}; give --method once")
    found: dict[str, Bounds] = {}
    for name, methods in stacks.items():
        with watching(f"bounding {problem} by {name}"):
            found[name] = compute_bounds(described.unrolled, methods)
    if save is not None:
        with complete(save) as path:
            next(iter(found.values())).save(path)
    if plot is not None:
        from relu2mip.plots.bounds import plot_bounds

        with complete(plot) as path:
            plot_bounds(found, path)
    if json:
        facts = [_facts(name, bounds) for name, bounds in found.items()]
        show_json(facts[0] if len(facts) == 1 else {"methods": facts})
    else:
        sign = -1.0 if isinstance(described, BoxProblem) and described.sense == "max" else 1.0
        _show(found, sign)
    for written in filter(None, (save, plot)):
        message(f"wrote {written}")


def _facts(name: str, bounds: Bounds) -> dict[str, Any]:
    """The facts on the bounds of one stack of methods, totals before details."""
    from relu2mip.bounds.layers import layer_bounds, merged

    layers = layer_bounds(bounds)
    total = merged(layers)
    return {
        "bounds": name,
        **{key: getattr(total, key) for key in LAYER[2:]},
        "seconds": sum(p.seconds for p in bounds.provenance),
        "grade": bounds.grade,
        "sound": bounds.sound,
        "cutoff": bounds.cutoff,
        "provenance": [vars(p) for p in bounds.provenance],
        "layers": [{key: getattr(layer, key) for key in LAYER} for layer in layers],
        "values": [
            {"place": value.place.prefix, "lower": lower.tolist(), "upper": upper.tolist()}
            for value, lower, upper in zip(bounds.form.values, bounds.lower, bounds.upper, strict=True)
        ],
    }


def _show(found: Mapping[str, Bounds], sign: float) -> None:
    """Layers and steps, then one row for each stack of methods, then one for each method in it."""
    from relu2mip.bounds.layers import layer_bounds, merged

    layers = {name: layer_bounds(bounds) for name, bounds in found.items()}
    first = next(iter(layers.values()))
    show(layer_table(first, LAYER) if len(found) == 1 else comparison(layers))
    totals = [
        (
            name,
            merged(layers[name]).unstable,
            merged(layers[name]).mean_width,
            _seconds(sum(p.seconds for p in bounds.provenance)),
            str(bounds.grade),
            holds_for(bounds.cutoff, sign),
        )
        for name, bounds in found.items()
    ]
    columns = ["bounds", "unstable", "mean width", "seconds", "grade", "hold for"]
    show(table(columns, totals, left=["bounds", "hold for"], drop=["mean width", "seconds"]))
    steps = [
        (
            name if k == 0 else "",
            p.method,
            _seconds(p.seconds),
            str(p.grade),
            holds_for(p.cutoff, sign),
            _counts(p.detail),
        )
        for name, bounds in found.items()
        for k, p in enumerate(bounds.provenance)
    ]
    columns = ["bounds", "method", "seconds", "grade", "hold for", "counted"]
    show(table(columns, steps, left=["bounds", "method", "hold for", "counted"], drop=["counted", "seconds", "bounds"]))


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _counts(detail: Mapping[str, float]) -> str:
    return ", ".join(f"{value:g} {name}" for name, value in detail.items() if value)
