"""Compare all formulations on the example models, and write the report: in minutes, or at large with --full.

    python examples/formulation_study/run.py                                  # under 5 minutes on 2 cores
    python examples/formulation_study/run.py --full --engine dask --scheduler tcp://HOST:8786
    python examples/formulation_study/run.py --study sparsity                 # as ReLUs fall from 64 to 4

`study.toml` asks which formulation plans fastest through CartPole and pushing models; `sparsity.toml` how formulations
rank on one family of models as its ReLUs a step fall from 64 to 4. The same studies run from the command line, without
this script: `relu2mip study study.toml`.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from relu2mip import study
from relu2mip.study import Study

HERE = Path(__file__).parent

FULL = {"study": {"horizons": [3, 6, 10, 15], "states": 5}, "sparsity": {"horizons": [5, 10, 15], "states": 10}}
"""What --full makes of the problems."""


def full(asked: Study, horizons: list[int], states: int) -> Study:
    """The same question at large: all members of the families, more horizons, states, seeds, and a minute each."""
    groups = [
        replace(group, files=(), family=str(Path(group.files[0]).parent)) if group.files else group
        for group in asked.networks
    ]
    problems = [
        replace(
            problem,
            horizons=horizons,
            initial_states=None if problem.initial_states is None else replace(problem.initial_states, count=states),
        )
        for problem in asked.problems
    ]
    axes = replace(asked.axes, time_limit=[60.0], seed=[0, 1, 2])
    return replace(asked, name=f"{asked.name}-full", networks=groups, problems=problems, axes=axes)


def main() -> None:
    """Run what is missing, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", choices=list(FULL), default="study")
    parser.add_argument("--full", action="store_true", help="large: for a cluster, or a weekend")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the store and the report go")
    parser.add_argument("--engine", default="processes")
    parser.add_argument("--scheduler", default=None, help="address of the Dask scheduler")
    parser.add_argument("--workers", type=int, default=None)
    options = parser.parse_args()
    asked = Study.from_toml(HERE / f"{options.study}.toml")
    if options.full:
        asked = full(asked, **FULL[options.study])
    store = options.folder / f"{asked.name}.db"
    print(f"{len(asked.trials)} trials: {len(asked.instances)} instances, {len(asked.arms)} arms")

    def watch(summary, trial, result) -> None:
        if trial is not None and summary.finished % 20 == 0:
            print(f"{summary.finished} of {summary.trials}, {summary.seconds_left:.0f} s left", flush=True)

    asked.run(store, options.engine, workers=options.workers, scheduler=options.scheduler, watch=watch)
    print(f"wrote {store} and {study.report(store)}")


if __name__ == "__main__":
    main()
