"""The reports of the studies in examples/formulation_study/results, made from their stores as pages of the site."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

RESULTS = Path(__file__).resolve().parents[2] / "examples" / "formulation_study" / "results"


def on_files(files: Any, config: Any) -> Any:
    """Add a page for each store: `examples/formulations-report.html`."""
    from relu2mip.study.reporting import reported
    from relu2mip.study.reporting.page import page

    for store in sorted(RESULTS.glob("*.db")):
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(store, folder)  # reading a store may leave files beside it
            text = page(reported(copy))
        files.append(File.generated(config, f"examples/{store.stem}-report.html", content=text))
    return files
