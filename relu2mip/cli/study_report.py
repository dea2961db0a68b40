"""`relu2mip report`: what a study found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from relu2mip.cli.arguments import Debug, Json
from relu2mip.cli.console import message, progress, show_json
from relu2mip.cli.files import check_output, complete
from relu2mip.cli.study_status import StorePath

Output = Annotated[
    Path | None, typer.Option(help="The page, by default the store's name with .html.", show_default=False)
]


def report(
    store: StorePath,
    output: Output = None,
    figures: Annotated[
        Path | None, typer.Option(help="Draw figures for a paper into this folder: .png, .pdf.", show_default=False)
    ] = None,
    latex: Annotated[
        Path | None, typer.Option(help="Write the arms as a LaTeX table: .tex.", show_default=False)
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(help="Write the trials as a Parquet file: .parquet.", show_default=False)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write what a study found as one HTML page that works offline; also while it runs.

    Examples:
      relu2mip report study.db
      relu2mip report study.db --figures figures --latex table.tex --parquet trials.parquet
    """
    from relu2mip.study.export import write_parquet
    from relu2mip.study.reporting import reported, write_page
    from relu2mip.study.reporting.paper import latex as latex_of
    from relu2mip.study.reporting.paper import write_figures
    from relu2mip.study.reporting.tables import ARM_COLUMNS, arm_cells, arm_rows

    page = output if output is not None else store.with_suffix(".html")
    for path, suffixes in ((page, (".html",)), (latex, (".tex",)), (parquet, (".parquet",))):
        check_output(path, suffixes)
    with progress("reading"):
        frame = reported(store)
    with progress("writing"):
        with complete(page) as temporary:
            write_page(frame, temporary)
        if latex is not None:
            with complete(latex) as temporary:
                temporary.write_text(latex_of(frame), encoding="utf-8")
        if parquet is not None:
            with complete(parquet) as temporary:
                write_parquet(frame, temporary)
        drawn = write_figures(frame, figures) if figures is not None else []
    if json:
        show_json([dict(zip(ARM_COLUMNS, cells, strict=True)) for cells in arm_cells(arm_rows(frame))])
    for path in filter(None, (page, latex, parquet, *drawn)):
        message(f"wrote {path}")
