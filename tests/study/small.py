"""Small studies for tests, and backends that crash, hang or take too much memory, as another package would add them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relu2mip.study import Axes, Networks, Problem, Study

TABLES = {
    "horizon": 2,
    "predicts": "change",
    "initial_state": [0.5, 0.0, 0.0, 0.0],
    "controls": {"lower": -1, "upper": 1},
    "states": {"lower": -2, "upper": 2},
    "costs": [{"kind": "l1", "state": 1.0, "control": 0.1}],
}


def small(folder: Path, name: str = "small", count: int = 2, **changes: Any) -> Study:
    """Two formulations on a network of eight ReLUs, from `count` states."""
    given: dict[str, Any] = {
        "networks": [Networks(random={"width": 4})],
        "problems": [Problem(tables=TABLES, initial_states={"count": count, "lower": -0.5, "upper": 0.5})],
        "axes": Axes(bounds="ibp", formulation=["big-m", "ideal"], time_limit=20),
        "baseline": {"formulation": "big-m"},
        "folder": folder,
    }
    return Study(name, **{**given, **changes})


def spec_text(count: int = 2, more: str = "") -> str:
    """The same as a file."""
    return f"""
name = "small"
question = "Which formulation?"
baseline = {{ formulation = "big-m" }}
{more}
[[networks]]
random = {{ width = 4 }}

[[problems]]
initial_states = {{ count = {count}, lower = -0.5, upper = 0.5 }}
[problems.tables]
horizon = 2
predicts = "change"
initial_state = [0.5, 0.0, 0.0, 0.0]
controls = {{ lower = -1, upper = 1 }}
states = {{ lower = -2, upper = 2 }}
costs = [{{ kind = "l1", state = 1.0, control = 0.1 }}]

[axes]
bounds = "ibp"
formulation = ["big-m", "ideal"]
time_limit = "20s"
"""


FAULTY = '''
"""Backends that fail in ways of their own."""

import os, signal, time
from dataclasses import dataclass
from pathlib import Path
from relu2mip.backends.highs import HighsBackend

@dataclass(frozen=True)
class Faulty(HighsBackend):
    name = "faulty"
    how: str = "abort"
    path: str = ""

    def solve(self, model, options, aids):
        if self.how == "abort":
            os.abort()
        if self.how == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
            os.fork()
            time.sleep(1000)
        if self.how == "memory":
            held = []
            while True:
                held.append(bytearray(50_000_000))
        if self.how == "raise":
            raise ZeroDivisionError("a fault of its own")
        if self.how == "print":
            os.write(1, b"{not a result}\\n")
        if self.how in ("kill once", "kill always"):
            mark = Path(self.path)
            if self.how == "kill always" or not mark.exists():
                with mark.open("a") as file:
                    file.write("x")
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(1000)
        return super().solve(model, options, aids)
'''


def install_faulty(folder: Path) -> None:
    """Write the package into a folder, which belongs on the path of Python."""
    (folder / "faulty_backends.py").write_text(FAULTY)
    about = folder / "faulty_backends-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-backends\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[relu2mip.backends]\nfaulty = faulty_backends:Faulty\n")
