"""Whether a problem over its horizon fits into this machine's memory, found before any of it is spent.

Every step of the horizon keeps objects, bounds and matrices of its own. What they take was measured from unrolling to
the finished program, with interval bounds: 24 kB a step for 5 values and 8 nonzeros, 640 kB for 7 values and 4,400
nonzeros. The figures here lie below both: what they refuse does not fit.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from relu2mip.errors import InvalidProblem
from relu2mip.normal_form import NormalForm

STEP = 2000
"""Bytes that any step takes: its states and controls, their names and boxes."""

VALUE, UNIT, NONZERO = 4000, 16, 40
"""Bytes that each value of a step takes, each unit (two bounds), and each nonzero of its matrices."""

UNLIMITED = 1 << 47
"""Bytes that a process can address; the limit where the machine does not say how much memory it has."""


def memory() -> int:
    """Bytes of memory of this machine, or of the container that the process runs in."""
    limits = [UNLIMITED]
    with suppress(AttributeError, OSError, ValueError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min(limit for limit in limits if limit > 0)


def step_bytes(step: NormalForm) -> int:
    """Bytes that a step with this form takes, at least."""
    units = sum(value.size for value in step.values)
    return STEP + VALUE * len(step.values) + UNIT * units + NONZERO * step.nonzeros


def check_horizon(horizon: int, each: int = STEP) -> None:
    """Raises `InvalidProblem` for a horizon whose steps, of `each` bytes, do not fit into memory."""
    limit = memory()
    if horizon * each > limit:
        raise InvalidProblem(
            f"horizon is {horizon:,}: the program would take at least {_told(horizon * each)} "
            f"({_told(each)} a step), and this machine has {_told(limit)}; "
            f"give fewer than {max(2, limit // each):,} steps, and plan again from where those end"
        )


def _told(size: int) -> str:
    power = min(4, (len(str(size)) - 1) // 3)
    return f"{size // 1000**power:,} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
