"""`relu2mip analyze`: where dynamics are sparse, measured on a system or its data, or proven of a network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu2mip.cli.arguments import Debug, Json
from relu2mip.cli.console import facts, message, progress, show, show_json, stderr, table
from relu2mip.cli.files import check_output, complete
from relu2mip.errors import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from relu2mip.analysis import Rollouts


def analyze(
    environment: Annotated[
        str | None,
        typer.Option(
            "--environment", "-e", help='"Reacher-v4", "playground:FingerSpin", "module:Name-v0".', show_default=False
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Rollouts saved before (.npz).", show_default=False)] = None,
    network: Annotated[Path | None, typer.Option(help="A network (ONNX).", show_default=False)] = None,
    box: Annotated[
        str | None,
        typer.Option(help='Ranges of its inputs: "-1:1", or one each: "-1:1,0:2".', show_default=False),
    ] = None,
    problem: Annotated[Path | None, typer.Option(help="A problem file (TOML).", show_default=False)] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Decide what intervals leave open, by regions or programs.")
    ] = False,
    budget: Annotated[float, typer.Option(help="Seconds that --exact may take.")] = 10.0,
    bounds: Annotated[str, typer.Option(help="Bound methods that prove phases.")] = "crown",
    rollouts: Annotated[int, typer.Option(help="Rollouts to run.")] = 50,
    steps: Annotated[int, typer.Option(help="Steps of each.")] = 200,
    policy: Annotated[str, typer.Option(help='"random", "held" or "zero".')] = "random",
    method: Annotated[str, typer.Option(help='Of MuJoCo: "auto", "mjd_transitionFD", "central differences".')] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the rollouts.")] = 0,
    threshold: Annotated[float, typer.Option(help="Largest entry that is zero.")] = 1e-3,
    raw: Annotated[bool, typer.Option("--raw", help="In the system's own units, not in spreads of data.")] = False,
    output: Annotated[Path | None, typer.Option(help="Save the rollouts (.npz).", show_default=False)] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page (.html).", show_default=False)] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say where dynamics are sparse: of a system or its data, of a network over a box, or of a problem's horizon.

    Of a system, Jacobians along rollouts are measured; of a network, absent dependences are proven.

    Examples:
      relu2mip analyze --environment HalfCheetah-v5 --report cheetah.html --output cheetah.npz
      relu2mip analyze --data cheetah.npz --threshold 1e-4
      relu2mip analyze --network dynamics.onnx --box "-1:1" --exact
      relu2mip analyze --problem problem.toml
    """
    given = {"--environment": environment, "--data": data, "--network": network, "--problem": problem}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise InvalidOption(f"give one of {', '.join(given)}, not {' and '.join(named) or 'none'}")
    if (box is None) == (network is not None):
        raise InvalidOption("--box belongs to --network: give both, or neither")
    if report is not None and problem is not None:
        raise InvalidOption("--report is of a system, of data or of a network; a problem has none")
    if output is not None and environment is None:
        raise InvalidOption("--output saves rollouts; give --environment")
    check_output(report, (".html",))
    check_output(output, (".npz",))
    if network is not None:
        _network(network, box or "", bounds, budget if exact else None, report, json)
    elif problem is not None:
        _problem(problem, bounds, json)
    else:
        _measured(environment, data, (rollouts, steps, policy, seed, method), (threshold, raw), output, report, json)


def _measured(
    environment: str | None,
    data: Path | None,
    how: tuple[int, int, str, int, str],
    zero: tuple[float, bool],
    output: Path | None,
    report: Path | None,
    json: bool,
) -> None:
    from relu2mip.analysis import MeasureOptions, Rollouts, jacobians, measure, system_of
    from relu2mip.analysis.policies import policy_of

    options = MeasureOptions(threshold=zero[0], normalise=not zero[1])
    if environment is not None:
        rollouts, steps, policy, seed, method = how
        policy_of(policy)
        system = system_of(environment, method)
        with _bar(f"Jacobians of {system.name}") as watch:
            found = jacobians(system, rollouts, steps, policy, seed, watch)
    else:
        assert data is not None
        found = Rollouts.load(data)
    if output is not None:
        _written(output, found.save)
    measures = measure(found, options)
    if report is not None:
        from relu2mip.analysis.page import write_page

        _written(report, lambda path: write_page(found, measures, path))
    said = {"about": found.about, **measures.to_dict()}
    if json:
        show_json(said)
        return
    lines = {name.replace("_", " "): value for name, value in said.items() if isinstance(value, int | float | str)}
    show(facts({"system": found.about.get("name", data), "method": found.about.get("method"), **lines}))
    show(_dimensions(found, measures.by_output, measures.by_input))


def _dimensions(found: Rollouts, by_output: Any, by_input: Any) -> Any:
    nothing = [None] * (len(by_input) - len(by_output))
    rows = [
        (name, a and a.local, b.local, a and a.changes, b.changes)
        for name, a, b in zip(found.input_names, [*by_output, *nothing], by_input, strict=True)
    ]
    head = ["dimension", "zero in its row", "zero in its column", "changing in its row", "changing in its column"]
    return table(head, rows, left=["dimension"])


def _network(file: Path, box: str, bounds: str, budget: float | None, report: Path | None, json: bool) -> None:
    import numpy as np

    from relu2mip.analysis import ExactOptions, certified_graph
    from relu2mip.frontends.onnx import load_onnx

    lower, upper = _ranges(box)
    exact = None if budget is None else ExactOptions(time_limit=budget)
    with progress(f"reading {file}"):
        net = load_onnx(file)
        graph = certified_graph(net, lower, upper, bounds, exact)
    if report is not None:
        from relu2mip.analysis.page import write_graph_page

        _written(report, lambda path: write_graph_page(graph, path, f"What {net.name} depends on over a box"))
    if json:
        show_json(graph.to_dict())
        return
    show(str(graph))
    size = np.maximum(np.abs(graph.lower), np.abs(graph.upper))
    marks = np.where(graph.absent, "-", np.where(graph.present, "x", "?"))
    rows = [(name, *marks[k], float(size[k].max())) for k, name in enumerate(graph.output_names)]
    show(table(["output", *graph.input_names, "largest slope"], rows, left=["output"]))


def _problem(file: Path, bounds: str, json: bool) -> None:
    import numpy as np

    from relu2mip.analysis import certified_dependencies
    from relu2mip.errors import InvalidProblem
    from relu2mip.pipeline.relevance import irrelevant
    from relu2mip.trajectory.problem import Trajectory
    from relu2mip.trajectory.read import read

    described = read(file)
    if not isinstance(described, Trajectory):
        raise InvalidProblem(f"{file} is a box problem, which has no steps; give its network and box")
    with progress(f"reading {file}"):
        found = certified_dependencies(described, bounds)
        form = described.unrolled.form
        left_out = {form.values[i].place.prefix: mask for i, mask in irrelevant(described.unrolled).items()}
    delay = found.delay()
    unread = {name: [found.state_names[k] for k in np.flatnonzero(mask)] for name, mask in left_out.items()}
    if json:
        show_json({
            "grade": str(found.grade),
            "steps_until_a_control_acts": delay.tolist(),
            "absent_states": float(found.state_absent.mean()),
            "irrelevant": unread,
        })  # fmt: skip
        return
    show(f"steps until a control acts on a state ({found.grade}); inf: not within the horizon")
    rows = [(name, *delay[k].tolist()) for k, name in enumerate(found.state_names)]
    show(table(["state", *found.control_names], rows, left=["state"]))
    said = "; ".join(f"{name}: {', '.join(names)}" for name, names in unread.items())
    show(f"states that neither cost nor constraints depend on: {said or 'none'}")


def _ranges(text: str) -> tuple[Any, Any]:
    import numpy as np

    try:
        pairs = np.array([[float(end) for end in part.split(":")] for part in text.split(",")])
        lower, upper = pairs.T
    except ValueError as error:
        raise InvalidOption(f'--box {text!r}: give ranges such as "-1:1", or one an input, "-1:1,0:2"') from error
    return (lower[0], upper[0]) if lower.size == 1 else (lower, upper)


@contextmanager
def _bar(text: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal; nothing in a pipe."""
    console = stderr()
    if not console.is_terminal:
        yield None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _written(path: Path, write: Callable[[Path], Any]) -> None:
    with complete(path) as temporary:
        write(temporary)
    message(f"wrote {path}")
