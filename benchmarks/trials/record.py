"""What trials found: one CSV line a trial, appended as it comes, and counts by combination at the end."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.trials.judge import HARMLESS, Verdict


class Record:
    """A CSV file with the same columns in every line; `path` None keeps nothing."""

    def __init__(self, path: Path | None, columns: list[str]) -> None:
        self.path = path
        self.columns = [*columns, "seconds", "faults", "details"]
        self.faults: Counter[str] = Counter()
        self.trials = 0
        self.wrong = 0
        self.by: dict[str, Counter[str]] = {}
        if path is not None and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="") as file:
                csv.writer(file).writerow(self.columns)

    def done(self, *keys: str) -> set[tuple[str, ...]]:
        """The trials that are in the file already, by these columns."""
        if self.path is None:
            return set()
        with self.path.open(newline="") as file:
            return {tuple(row[key] for key in keys) for row in csv.DictReader(file)}

    def add(self, values: Mapping[str, object], verdict: Verdict) -> None:
        """One trial."""
        kinds = [fault.kind for fault in verdict.faults]
        self.trials += 1
        self.wrong += bool(verdict.wrong)
        self.faults.update(set(kinds))
        for key, value in values.items():
            if key != "seed":
                counter = self.by.setdefault(f"{key} {value}", Counter())
                counter.update(trials=1, wrong=int(bool(verdict.wrong)))
                counter.update(dict.fromkeys(HARMLESS & set(kinds), 1))
        if self.path is not None:
            details = json.dumps([fault.detail[:300] for fault in verdict.faults])
            row = [*(values[key] for key in self.columns[:-3]), f"{verdict.seconds:.2f}", "+".join(kinds), details]
            with self.path.open("a", newline="") as file:
                csv.writer(file).writerow(row)

    def lines(self) -> Iterator[str]:
        """A summary to print."""
        yield f"{self.trials} trials, {self.wrong} wrong; " + ", ".join(
            f"{kind} {count}" for kind, count in self.faults.most_common()
        )
        for key in sorted(self.by):
            count = self.by[key]
            if any(count[kind] for kind in ("wrong", *HARMLESS)):
                rest = "".join(f", {count[kind]} {kind}" for kind in sorted(HARMLESS) if count[kind])
                yield f"  {key:40} {count['wrong']} wrong of {count['trials']}{rest}"
