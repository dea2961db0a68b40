"""The report as one HTML page that works offline: question, setting, figures, arms, failures, and every trial."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

from relu2mip.study.frame import Frame, Row
from relu2mip.study.reporting.figure import Figure
from relu2mip.study.reporting.figures import figures
from relu2mip.study.reporting.tables import ARM_COLUMNS, arm_cells, arm_rows, trial_columns

FAILURES_SHOWN = 200
"""Failures that are listed one by one; the table of trials has all."""


def page(frame: Frame) -> str:
    """The page. Needs plotly, of the extra `study`; raises `Relu2MipError` without it."""
    drawn = figures(frame)
    body = "\n".join([_head(frame), _arms(frame), *map(_figure, drawn), _failed(frame), _trials()])
    data = {
        "figures": [{"name": f.name, "data": f.data, "layout": f.layout, "height": f.height} for f in drawn],
        "trials": [vars(column) for column in trial_columns(frame)],
    }
    parts = {
        "title": html.escape(frame.meta["name"]),
        "css": _file("page.css"),
        "plotly": _plotly(),
        "body": body,
        "data": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/"),
        "script": _file("page.js"),
    }
    text = _file("page.html")
    for name, part in parts.items():
        before, _, after = text.partition("{{" + name + "}}")
        text = before + part + after
    return text


def _file(name: str) -> str:
    return files("relu2mip.study.reporting").joinpath(name).read_text(encoding="utf-8")


def _plotly() -> str:
    from relu2mip.study.reporting.needs import need

    need("plotly")
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _head(frame: Frame) -> str:
    """The question, and the setting that the answer is for."""
    meta, done = frame.meta, sum(row.result is not None for row in frame.rows)
    question = f"<p class=question>{html.escape(meta['question'])}</p>" if meta["question"] else ""
    axes = meta["axes"]
    setting = {
        "Trials": f"{len(frame.rows):,}, of which {done:,} have a result" + ("" if done == len(frame.rows) else " yet"),
        "Arms": f"{len(frame.arms)}" + (f", compared with {_values(meta['baseline'])}" if meta["baseline"] else ""),
        "Instances": f"{len(set(frame.clusters.tolist())):,}: {_instances(frame)}",
        "Repetitions": f"{len(axes['seed'])}, by seed of the solver ({_list(axes['seed'])})",
        "Time limit": _list(f"{limit:g} s" for limit in axes["time_limit"]),
        "Each trial": f"in a process of its own, {meta['limits']['threads']} thread"
        f"{'s' if meta['limits']['threads'] > 1 else ''}, {meta['limits']['memory'] / 1e9:.3g} GB; the arms of an "
        "instance one after the other, in random order",
        "Machine": "; ".join(dict.fromkeys(map(_machine, frame.environments.values()))) or "unknown",
        "Versions": _versions(frame),
    }
    if meta["left_out"]:
        setting["Not installed"] = "; ".join(meta["left_out"])
    if meta["exclude"]:
        setting["Excluded"] = "; ".join(_values(rule) for rule in meta["exclude"])
    rows = "".join(f"<tr><th>{name}<td>{html.escape(value)}" for name, value in setting.items())
    return f"<h1>{html.escape(meta['name'])}</h1>{question}<table class=facts>{rows}</table>{_warnings(frame)}"


def _warnings(frame: Frame) -> str:
    """What the reader must know before believing anything below."""
    found = [f"No agreement: {text}" for text in frame.disagreements]
    kinds = {json.dumps(e.get("versions"), sort_keys=True) for e in frame.environments.values()}
    hosts = {e.get("machine", {}).get("host") for e in frame.environments.values()}
    if len(kinds) > 1:
        found.append("Trials ran on different versions of relu2mip or of solvers; see Versions.")
    if len(hosts) > 1:
        found.append(f"Trials ran on {len(hosts)} machines, whose speeds may differ.")
    return "".join(f"<p class=warning>{html.escape(text)}</p>" for text in found)


def _instances(frame: Frame) -> str:
    instances = {row.trial.instance.identity: row.trial.instance for row in frame.rows}.values()
    parts: dict[str, set[Any]] = {
        "problem": {i.problem for i in instances},
        "network": {i.network for i in instances},
        "cost": {i.cost for i in instances if i.cost},
        "horizon": {i.horizon for i in instances},
        "initial state": {i.initial_state for i in instances},
    }
    return ", ".join(
        f"{len(v)} {_plural(name, len(v))} ({_list(sorted(v, key=lambda x: (isinstance(x, str), x)))})"
        if name in ("problem", "horizon")
        else f"{len(v)} {_plural(name, len(v))}"
        for name, v in parts.items()
        if v and v != {0}
    )


def _plural(name: str, count: int) -> str:
    return name if count == 1 else f"{name}s"


def _machine(environment: Any) -> str:
    of = environment.get("machine", {})
    return f"{of.get('processor', '?')}, {of.get('processors', '?')} processors, {of.get('system', '?')}"


def _versions(frame: Frame) -> str:
    """Each package with all its versions; Python's libraries that decide nothing are left out."""
    found: dict[str, set[str]] = {}
    for environment in frame.environments.values():
        for package, version in environment.get("versions", {}).items():
            found.setdefault(package, set()).add(version)
    return ", ".join(f"{package} {' and '.join(sorted(versions))}" for package, versions in found.items())


def _arms(frame: Frame) -> str:
    head = "".join(f"<th>{html.escape(name)}" for name in ARM_COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in cells) for cells in arm_cells(arm_rows(frame))
    )
    return f"""<section id=arms><h2>Arms</h2><p>Settled: proven optimal, or proven to have no plan. Seconds: shifted
geometric mean with its 95 % interval; “≥” where trials count with the limit, which makes it a lower bound. Times
faster: than the baseline arm, paired; “≥” or “≤” where one side of a pair counts with its limit, “≈” where both do.
Refused: the solver or tool does not take the problem; these count nowhere. Relaxations and planners without bounds
settle nothing, so they have no time to settle.</p>
<div class=wide><table class=numbers><thead><tr>{head}<tbody>{rows}</table></div></section>"""


def _figure(figure: Figure) -> str:
    return f"""<section><h2>{html.escape(figure.title)}</h2><p>{html.escape(figure.caption)}</p>
<div class=plot id="{figure.name}"></div></section>"""


def _failed(frame: Frame) -> str:
    """Failures and refusals, listed."""
    failures = frame.failures
    if not failures and not frame.refusals:
        return "<section id=failures><h2>Failures</h2><p>None.</p></section>"
    rows = "".join(
        f"<tr><td>{html.escape(row.outcome)}<td>{html.escape(str(row.trial))}<td>{html.escape(_message(row))}"
        for row in failures[:FAILURES_SHOWN]
    )
    rest = (
        f"<p>{len(failures) - FAILURES_SHOWN} more are in the table of trials.</p>"
        if len(failures) > FAILURES_SHOWN
        else ""
    )
    refused: dict[str, int] = {}
    for row in frame.refusals:
        refused[f"{row.trial.arm}: {_message(row)}"] = refused.get(f"{row.trial.arm}: {_message(row)}", 0) + 1
    lines = "".join(f"<li>{count} × {html.escape(text)}" for text, count in list(refused.items())[:FAILURES_SHOWN])
    listed = f"<div class=wide><table><thead><tr><th>outcome<th>trial<th>message<tbody>{rows}</table></div>{rest}"
    return f"""<section id=failures><h2>Failures</h2>{listed if failures else "<p>None.</p>"}
{f"<h3>Refused</h3><ul class=refused>{lines}</ul>" if refused else ""}</section>"""


def _message(row: Row) -> str:
    return str((row.result or {}).get("message") or "")


def _trials() -> str:
    return """<section id=trials><h2>Every trial</h2><div id=filters></div><p id=count></p>
<div class=wide><table class=numbers id=table></table></div>
<p><button id=previous>Previous</button> <span id=place></span> <button id=next>Next</button></p></section>"""


def _values(values: Any) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in values.items())


def _list(values: Iterable[Any] | Sequence[Any]) -> str:
    found = [str(value) for value in values]
    return ", ".join(found) if len(found) <= 12 else f"{', '.join(found[:10])}, ... {found[-1]}"
