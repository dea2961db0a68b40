"""What the benchmarks that are studies share: flags, and the table of arms that they print."""

from __future__ import annotations

import argparse
from pathlib import Path

from relu2mip import study
from relu2mip.study import Study
from relu2mip.study.frame import Frame
from relu2mip.study.reporting.tables import ARM_COLUMNS, arm_cells, arm_rows

CARTPOLE = Path(__file__).resolve().parents[1] / "examples" / "cartpole"


def parser(description: str | None, time_limit: float) -> argparse.ArgumentParser:
    """With the flags that all have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--time-limit", type=float, default=time_limit)
    made.add_argument("--workers", type=int, default=1, help="trials at once; more disturb one another's times")
    made.add_argument("--store", type=Path, default=None, help="results, which another run goes on from")
    return made


def cartpole_networks(widths: list[int]) -> list[str]:
    """The files of the CartPole models with two layers of these widths, of which there are 8, 16 and 32."""
    names = {8: "dynamics.onnx", 16: "dynamics_2x16.onnx", 32: "dynamics_2x32.onnx"}
    return [str(CARTPOLE / names[width]) for width in widths if width in names]


def ran(asked: Study, options: argparse.Namespace) -> int:
    """Run what is missing, print the arms and write the report; 1 where optima disagree."""
    store = options.store or Path(f"{asked.name}.db")
    print(f"{len(asked.trials)} trials: {len(asked.instances)} instances, {len(asked.arms)} arms")
    for reason in asked.left_out:
        print(f"left out: {reason}")
    asked.run(store, workers=options.workers, watch=lambda s, trial, result: _tell(trial, result))
    frame = Frame.load(store)
    rows = [list(ARM_COLUMNS), *arm_cells(arm_rows(frame))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"wrote {store} and {study.report(store)}")
    for text in frame.disagreements:
        print(f"DISAGREEMENT: {text}")
    return 1 if frame.disagreements else 0


def _tell(trial: object, result: dict[str, object] | None) -> None:
    if result is not None:
        print(f"  {result['outcome']:12} {result.get('seconds') or 0:8.2f} s  {trial}", flush=True)
