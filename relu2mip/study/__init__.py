"""Studies: one question, thousands of solves, any number of machines, one page that a reader can believe.

    from relu2mip import study
    asked = study.Study.from_toml("study.toml")       # everything is checked here, before anything runs
    asked.run("study.db", workers=2)                   # again after an interrupt: runs what is missing
    study.report("study.db", "report.html")

The design, as five parts that know one another only through plain values:

**A spec** (`Study`) names networks, problems and axes. It is the product of *instances* (a network, a problem, a
horizon, an initial state, a cost, a time limit) and *arms* (what is compared: bounds, formulation, backend and options,
or a planner, or another tool), less what rules exclude, each repeated for every seed.

**A trial** (`Trial`) is one instance, one arm, one seed. It is plain data that JSON holds, so it travels to any
machine, and its key is a hash of all that decides its result, contents of files included: a trial with the same key is
the same trial, whichever spec it comes from.

**A worker** runs trials (`workers.run_trial`, a function of a dictionary that gives a dictionary). It keeps a
*nursery*, a process that has imported everything and runs nothing; for each trial the nursery forks, so a trial has a
process of its own at the price of a fork. There are hard limits on its wall time and memory, and whatever it does,
crash included, is its result. Only the death of the worker itself is none: such a trial is run again, at most twice.

**An engine** is any `concurrent.futures.Executor` of `run_trial`: nurseries on this machine, Dask, MPI. Trials go out
in blocks, all arms of an instance one after the other in random order, the blocks in random order too: what drifts on a
machine hits all arms alike.

**A store** is one SQLite file. The runner alone writes it, one transaction a result, so what is in it is what finished,
at any moment the runner is killed. `status` and `report` read it, also meanwhile.

Whatever the report says is computed from the store by the functions of `statistics`, and only from trials that were
paired fairly: the same instance and seed in both arms.
"""

from pathlib import Path

from relu2mip.study.axes import Axes
from relu2mip.study.networks import Networks
from relu2mip.study.problems import Problem
from relu2mip.study.reporting import write_report
from relu2mip.study.spec import Study
from relu2mip.study.store import Store
from relu2mip.study.trial import Arm, Instance, Limits, Trial

__all__ = ["Arm", "Axes", "Instance", "Limits", "Networks", "Problem", "Store", "Study", "Trial", "report"]


def report(store: str | Path, page: str | Path | None = None) -> Path:
    """Write the report of a study's store as one HTML page, by default beside it; the page's path.

    Raises `StoreError`, `InvalidProblem` where nothing has finished, `Relu2MipError` without the extra `study`.
    """
    return write_report(store, Path(store).with_suffix(".html") if page is None else page)
