"""One page of HTML of where a system's dynamics are sparse: figures and tables, readable without a network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relu2mip.analysis.certified import CertifiedGraph
from relu2mip.analysis.jacobians import Rollouts
from relu2mip.analysis.measures import Block, Measures
from relu2mip.plots import jacobians as pictures
from relu2mip.plots.plan import check_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#111827}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}img{max-width:100%}table{border-collapse:collapse}
td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}th{color:#4b5563;font-weight:600}
p{max-width:46rem}"""

MEANINGS = {
    "global_sparsity": "share of entries that are zero at every sample",
    "local_sparsity": "share of entries that are zero at a sample, mean",
    "state_dependence": "share of entries that are zero at some samples only",
    "changes": "entries that change between zero and not zero in a step, mean",
    "run_length": "steps that an entry stays as it is, mean",
    "clustering": "changes in a step where contacts change, less elsewhere",
    "p_value": "of that clustering, by shifting contacts in time",
}


def write_page(rollouts: Rollouts, measures: Measures, path: str | Path, rollout: int = 0) -> Path:
    """Write the page of rollouts and their measures; pictures of one rollout over time.

    Raises `Relu2MipError` where matplotlib is missing.
    """
    check_plot(Path(path).with_suffix(".png"))
    outputs, inputs = rollouts.state_names, rollouts.input_names
    sizes = rollouts.normalised if measures.options.normalise else rollouts.jacobians
    never, always = measures.zero_share == 1, measures.zero_share == 0
    found = measures.to_dict()
    least = max(measures.options.threshold, 1e-12) / 100
    figures = {
        "Over time": pictures.heat_map(sizes[rollout], rollouts.contacts[rollout], outputs, inputs, least),
        "Sparsity over time": pictures.sparsity_over_time(
            measures.local_sparsity, rollouts.contacts, measures.global_sparsity
        ),
        "Which entries are zero, how often": pictures.zero_map(measures.zero_share, outputs, inputs),
        "Causal graph over all samples": pictures.causal_graph(~never, ~never & ~always, outputs, inputs),
        "Causal graph at one state": _at(sizes[rollout], measures, outputs, inputs),
        "By threshold": pictures.sensitivity(measures.thresholds, measures.sensitivity, measures.options.threshold),
    }
    r, t, _ = rollouts.states.shape
    unit = "spreads of states and controls" if measures.options.normalise else "the system's own units"
    parts = [
        f"<p>{r} rollouts of {t} steps; an entry is zero where it is at most {measures.options.threshold:g}, "
        f"in {unit}.</p>",
        _table((meaning, found[name]) for name, meaning in MEANINGS.items()),
        *(f"<h2>{html.escape(title)}</h2>{_image(figure)}" for title, figure in figures.items()),
        "<h2>Blocks</h2>",
        _shares((f"{a} by {b}", block) for (a, b), block in measures.blocks.items()),
        "<h2>What each state depends on (rows)</h2>",
        _shares(zip(outputs, measures.by_output, strict=True)),
        "<h2>What depends on each state and control (columns)</h2>",
        _shares(zip(inputs, measures.by_input, strict=True)),
        "<h2>How it was made</h2>",
        _table(rollouts.about.items()),
    ]
    return _write(path, f"Where {rollouts.about.get('name', 'the system')} is sparse", parts)


def write_graph_page(graph: CertifiedGraph, path: str | Path, title: str) -> Path:
    """Write the page of a certified causal graph of a network."""
    check_plot(Path(path).with_suffix(".png"))
    title_ = "solid: present, dashed: undecided"
    figure = pictures.causal_graph(~graph.absent, graph.undecided, graph.output_names, graph.input_names, title_)
    rows: Mapping[str, Any] = {
        "entries": graph.absent.size,
        "absent all over the box, proven": int(graph.absent.sum()),
        "present at some point": int(graph.present.sum()),
        "undecided (dashed)": int(graph.undecided.sum()),
        "grade of the proof": str(graph.grade),
        "activation regions": "not enumerated" if graph.regions is None else graph.regions,
    }
    size = np.maximum(np.abs(graph.lower), np.abs(graph.upper))
    named = sorted(
        ((graph.output_names[i], graph.input_names[j], graph.lower[i, j], graph.upper[i, j], size[i, j])
         for i, j in np.argwhere(~graph.absent).tolist()),
        key=lambda row: -row[4],
    )  # fmt: skip
    entries = ((f"{a} by {b}", f"[{low:.4g}, {high:.4g}]") for a, b, low, high, _ in named[:200])
    parts = [_table(rows.items()), _image(figure), "<h2>Enclosures, the largest first</h2>", _table(entries)]
    return _write(path, title, parts)


def _at(sizes: Any, measures: Measures, outputs: Any, inputs: Any) -> Figure:
    """The graph where the rollout is sparsest."""
    zero = np.abs(sizes) <= measures.options.threshold
    step = int(zero.mean(axis=(1, 2)).argmax())
    title = f"at step {step} of the rollout above, its sparsest"
    return pictures.causal_graph(~zero[step], np.zeros_like(zero[step]), outputs, inputs, title)


def _write(path: str | Path, title: str, parts: Iterable[str]) -> Path:
    name = html.escape(title)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
    Path(path).write_text(f"{head}<h1>{name}</h1>{''.join(parts)}</html>\n", encoding="utf-8")
    return Path(path)


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    cells = (f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(_shown(value))}</td></tr>" for name, value in rows)
    return f"<table>{''.join(cells)}</table>"


def _shares(rows: Iterable[tuple[str, Block]]) -> str:
    """Shares of entries by name, with a head."""
    names = "zero at a step", "zero at every sample", "zero at some only", "changing in a step"
    head = "".join(f"<th>{name}</th>" for name in ("", *names))
    cells = (
        f"<tr><th>{html.escape(name)}</th>{''.join(f'<td>{share:.3f}</td>' for share in block)}</tr>"
        for name, block in rows
    )
    return f"<table><tr>{head}</tr>{''.join(cells)}</table>"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return "none" if np.isnan(value) else f"{value:.4g}"
    return str(value)


def _image(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
