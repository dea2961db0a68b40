"""Draw the floors of the package from its real imports: docs/images/floors.svg.

    python docs/hooks/floors.py

A box is a package (or a loose module), its number counts files, and a line goes to each package that it imports, types
and imports inside functions included; lines that follow from others are left out. Floors are those of pyproject.toml,
which `make lint` holds the code to.
"""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import networkx

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "floors.svg"
ROOTS = {
    "relu2mip": ROOT / "relu2mip",
    "relu2mip.frontends": ROOT / "frontends",
    "relu2mip.backends": ROOT / "backends",
}
WIDTH, ROW, BOX, TALL = 760, 58, 132, 34


def on_pre_build(**_: Any) -> None:
    """Draw before a build of the site, where anything changed."""
    drawn = picture()
    if not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != drawn:
        PICTURE.write_text(drawn, encoding="utf-8")


def floors() -> list[list[str]]:
    """The packages of each floor, from the top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers: list[str] = next(c["layers"] for c in contracts if c["type"] == "layers")
    return [layer.split(" | ") for layer in layers]


def imports() -> tuple[Counter[str], set[tuple[str, str]]]:
    """Files of each package, and which package imports which."""
    files: Counter[str] = Counter()
    edges: set[tuple[str, str]] = set()
    for package, folder in ROOTS.items():
        for path in sorted(folder.rglob("*.py")):
            module = [*package.split("."), *path.relative_to(folder).with_suffix("").parts]
            if len(module) < 2 or module[1] == "__init__":
                continue
            files[module[1]] += 1
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                for name in names:
                    parts = name.split(".")
                    if parts[0] == "relu2mip" and len(parts) > 1:
                        edges.add((module[1], parts[1]))
    return files, {(a, b) for a, b in edges if a != b}


def picture() -> str:
    """The drawing, as SVG."""
    rows = floors()
    files, edges = imports()
    places = {}
    for row, names in enumerate(rows):
        for k, name in enumerate(names):
            places[name] = (WIDTH * (k + 1) / (len(names) + 1), ROW * row + ROW / 2)
    height = ROW * len(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        ' font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    known = networkx.DiGraph((a, b) for a, b in edges if a in places and b in places)
    for a, b in sorted(networkx.transitive_reduction(known).edges):
        (x, y), (u, v) = places[a], places[b]
        y, v = y + TALL / 2, v - TALL / 2
        bend = (-1) ** (list(places).index(a)) * min(40 + 0.55 * (v - y), 330) if v - y > ROW else 0
        curve = f"M{x:.0f} {y:.0f} C{x + bend:.0f} {y + 20:.0f} {u + bend:.0f} {v - 20:.0f} {u:.0f} {v:.0f}"
        lines.append(f'<path d="{curve}" fill="none" stroke="#5b6b8c" stroke-opacity="0.35"/>')
    for name, (x, y) in places.items():
        count = f" {files[name]}" if files[name] > 1 else ""
        lines.append(
            f'<rect x="{x - BOX / 2:.0f}" y="{y - TALL / 2:.0f}" width="{BOX}" height="{TALL}" rx="5" fill="#eef2fb" '
            f'stroke="#3f51b5"/><text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">{name}'
            f'<tspan fill="#5b6b8c" font-size="11">{count}</tspan></text>'
        )
    return "\n".join([*lines, "</svg>\n"])


if __name__ == "__main__":
    on_pre_build()
