"""Does any file break the reader? Small valid ONNX files, damaged at random, read and held against onnxruntime.

    python -m benchmarks.trials.mutants --files 10000 --csv build/mutants.csv

File k is always the same: one of the networks of the tests with one to three mutations of its bytes, attributes,
shapes, operators, constants or edges; every second one is read from a path. What is in the CSV file already is left
out. Files are read in a process of their own, so that one that hangs or kills it is counted too. Exit code 1 where
anything is wrong.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.trials.judge import Fault, Verdict
from benchmarks.trials.mutations import mutated
from benchmarks.trials.originals import originals
from benchmarks.trials.record import Record
from relu2mip.errors import Relu2MipError, UnsupportedNetwork
from relu2mip.frontends.onnx import Replay, load_onnx
from relu2mip.ir import Graph

COLUMNS = ["seed", "original", "mutations", "outcome"]
HANG = 20.0
"""Seconds in which a file must be read."""

MEMORY = 6 * 2**30
"""Bytes of address space for the process that reads."""

WRONG = 1e-3
"""Difference, relative to the largest value, that counts as wrong: float32 is far better on such small networks."""

MOST_ENTRIES = 10**6
"""Entries of inputs and outputs that are still compared."""

READING, COMPARING = "reading", "comparing"


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description="Mutated ONNX files.")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    record = run(range(options.first, options.first + options.files), options.csv, options.seconds)
    print("\n".join(record.lines()))
    for outcome, count in sorted(record.by.items()):
        if outcome.startswith("outcome "):
            print(f"  {outcome.removeprefix('outcome '):40} {count['trials']}")
    return int(record.wrong > 0)


def run(seeds: range, csv: Path | None = None, seconds: float = float("inf")) -> Record:
    """Every seed that is not in the file, until the time is up."""
    begun = time.perf_counter()
    record = Record(csv, COLUMNS)
    done = record.done("seed")
    reader = _Reader()
    for seed in seeds:
        if (str(seed),) in done:
            continue
        if time.perf_counter() - begun > seconds:
            break
        original, mutations, outcome, verdict = reader.read(seed)
        record.add(dict(zip(COLUMNS, (seed, original, mutations, outcome), strict=True)), verdict)
        if verdict.wrong:
            print(seed, original, mutations, *(f"{f.kind}: {f.detail}" for f in verdict.wrong), sep="  ", flush=True)
    reader.stop()
    return record


def mutant(seed: int) -> tuple[str, str, bytes]:
    """The name of the original, the mutations, and the file."""
    rng = np.random.default_rng([seed, 21])
    name, data = originals()[int(rng.integers(len(originals())))]
    mutations, data = mutated(data, rng)
    return name, mutations, data


class _Reader:
    """A process that reads files one after the other; a new one where it dies or must be ended."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def read(self, seed: int) -> tuple[str, str, str, Verdict]:
        """Original, mutations, outcome, verdict."""
        name, mutations, data = mutant(seed)
        if self._process is None or self._pipe is None:
            self._pipe, theirs = multiprocessing.Pipe()
            self._process = multiprocessing.get_context("fork").Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        begun, stage, read_in = time.perf_counter(), READING, 0.0
        self._pipe.send((data, seed % 2 == 1))
        try:
            while self._pipe.poll(HANG):
                answer = self._pipe.recv()
                if answer != COMPARING:
                    outcome, faults = answer
                    return name, mutations, outcome, Verdict(faults, time.perf_counter() - begun)
                stage, read_in = COMPARING, time.perf_counter() - begun
            outcome = "hang"
        except EOFError:
            outcome = "death"
        self.stop()
        if stage == COMPARING:  # onnxruntime, on a damaged file
            return name, mutations, f"read; {outcome} of onnxruntime", Verdict((), read_in)
        return name, mutations, outcome, Verdict((Fault(outcome, "while it was read"),), time.perf_counter() - begun)

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        while True:
            data, from_path = pipe.recv()
            path = Path(folder) / "mutant.onnx"
            if from_path:
                path.write_bytes(data)
            pipe.send(judged(data, path if from_path else data, lambda: pipe.send(COMPARING)))


def judged(data: bytes, source: bytes | Path, before_comparing: Callable[[], None]) -> tuple[str, tuple[Fault, ...]]:
    """What became of a file, and what is wrong with that."""
    try:
        graph = load_onnx(source)
    except UnsupportedNetwork:
        return "refused", ()
    except Relu2MipError as error:
        if not str(error):
            return "empty message", (Fault("error", "empty message"),)
        before_comparing()
        return ("invalid, though onnxruntime runs it" if runs(data) else "invalid"), ()
    except Exception as error:
        return "raw error", (Fault("error", f"{type(error).__name__}: {error}"),)
    before_comparing()
    return compared(graph)


def compared(graph: Graph) -> tuple[str, tuple[Fault, ...]]:
    """The values of a graph that was read, beside those of onnxruntime on the same file."""
    rng = np.random.default_rng(0)
    if sum(port.size for port in (*graph.inputs, *graph.outputs)) > MOST_ENTRIES:
        return "read; too large to compare", ()
    inputs = {port.name: rng.normal(size=(3, port.size)) for port in graph.inputs}
    for x in inputs.values():
        x[0] = 0.0
    try:
        values = graph.evaluate_flat(inputs)
    except Exception as error:
        return "raw error", (Fault("error", f"evaluate: {type(error).__name__}: {error}"),)
    try:
        expected = Replay(graph.source).run(inputs) if graph.source else {}
    except Relu2MipError:
        return "read; onnxruntime refuses it", ()
    except Exception as error:
        return "raw error", (Fault("error", f"replay: {type(error).__name__}: {error}"),)
    faults = []
    for port in graph.outputs:
        theirs, ours = expected[port.name], values[port.name]
        if ours.shape != theirs.shape:
            faults.append(Fault("shape", f"{port.name}: {ours.shape}, onnxruntime {theirs.shape}"))
            continue
        finite = np.isfinite(theirs)
        size = 1.0 + np.abs(theirs[finite]).max(initial=0.0)
        error = np.abs(ours - theirs)[finite].max(initial=0.0) / size
        if error > WRONG:
            faults.append(Fault("value", f"{port.name}: off by {error:.3g} of {size:.3g}"))
        elif not finite.all() and np.isfinite(ours).all():
            return "read; onnxruntime overflows", ()
    return ("wrong" if faults else "read; agrees"), tuple(faults)


def runs(data: bytes) -> bool:
    """Whether onnxruntime runs a file at zeros."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
        sizes = {v.name: [n if isinstance(n, int) else 1 for n in v.shape] for v in session.get_inputs()}
        session.run(None, {v.name: np.zeros(sizes[v.name], kinds[v.type]) for v in session.get_inputs()})
    except Exception:  # its errors share no type
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
