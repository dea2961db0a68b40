"""One step of learned dynamics, as a normal form and as a simulator.

The network reads a window of the last `window` states and controls in a stated layout, in normalised coordinates if
it was trained in such, and predicts the next state or the change of state:

    z          = (v - offset) / scale            for each state or control v it reads
    x[t + 1]   = offset' + scale' f(z)           predicts = "state"
    x[t + 1]   = x[t] + offset' + scale' f(z)    predicts = "change"

With a heading, what it reads is turned before that, and what it predicts is turned back after (`relu2mip.ir.heading`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.accept import accept, mapping, names, numbers, optional, refuse
from relu2mip.arrays import Array, vector
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.ir.lower import lower
from relu2mip.normal_form import FormBuilder, NormalForm, Place
from relu2mip.normal_form.splice import splice
from relu2mip.passes import simplify

KINDS = "state", "control"

_BLOCK = re.compile(r"(state|control)\[(0|-[0-9]+)\]")


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Affine coordinates of the network: each a pair (offset, scale), scalars or one entry a component.

    output defaults to the state's pair where the network predicts a state, and to (0, state's scale) where it
    predicts a change.
    """

    state: tuple[ArrayLike, ArrayLike] = (0.0, 1.0)
    control: tuple[ArrayLike, ArrayLike] = (0.0, 1.0)
    output: tuple[ArrayLike, ArrayLike] | None = None

    def __post_init__(self) -> None:
        accept(self, state=_pair, control=_pair, output=optional(_pair))

    def pair(self, what: str, size: int, predicts: str = "state") -> tuple[Array, Array]:
        """Checked (offset, scale) vectors of "state", "control" or "output"."""
        given = {"state": self.state, "control": self.control, "output": self.output}[what]
        if given is None:
            given = self.state if predicts == "state" else (0.0, self.state[1])
        offset, scale = vector(given[0], size), vector(given[1], size)
        if offset.size != size or scale.size != size:
            raise InvalidProblem(f"normalisation: {what} has {offset.size} offsets and {scale.size} scales, not {size}")
        if not (np.isfinite(offset).all() and np.isfinite(scale).all() and (scale != 0).all()):
            raise InvalidProblem(f"normalisation: {what} needs finite offsets and finite scales other than 0")
        return offset, scale


@dataclass(frozen=True, eq=False)
class Dynamics:
    """A network as one step of a controlled system with states of size n and controls of size m.

    turn: by kind, the rotation of what the network reads; that of states is taken back from what it predicts.
    """

    net: Graph
    predicts: str
    window: int
    normalisation: Normalisation
    layout: Mapping[str, tuple[str, ...]]
    output: str
    n: int
    m: int
    delay: int = 0
    known: Mapping[str, int] = field(default_factory=dict)
    turn: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        net: Graph,
        predicts: str = "state",
        window: int = 1,
        normalisation: Normalisation | None = None,
        inputs: Mapping[str, Sequence[str]] | None = None,
        output: str | None = None,
        delay: int = 0,
        known: Mapping[str, int] | None = None,
    ) -> Dynamics:
        """Work out the layout and the sizes; raises `InvalidProblem` where the network does not fit them.

        known: sizes of known signals, by name.
        """
        known = dict(known or {})
        ports = {port.name: port for port in net.outputs}
        if output is None and len(ports) > 1:
            raise InvalidProblem(f"{net.name} has outputs {list(ports)}; say which one predicts with output=")
        output = next(iter(ports)) if output is None else output
        if output not in ports:
            raise InvalidProblem(f"{net.name} has no output {output!r}; it has {list(ports)}")
        n = ports[output].size
        layout = _layout(net, window, inputs, known)
        blocks = [block for names in layout.values() for block in names]
        if unread := sorted(set(known) - set(blocks)):
            raise InvalidProblem(
                f"known: {net.name} has no input {unread[0]!r}, and inputs= reads none; it has inputs "
                f"{[port.name for port in net.inputs]}"
            )
        states, controls = (sum(bool(_BLOCK.fullmatch(b)) and b.startswith(k) for b in blocks) for k in KINDS)
        left = net.input_size - states * n - sum(known.get(block, 0) for block in blocks)
        if not controls or left <= 0 or left % controls:
            raise InvalidProblem(
                f"{net.name} has {net.input_size} inputs and predicts {n} states: with {states} state vector(s) "
                f"{f'and the known {sorted(known)} ' if known else ''}"
                f"among its inputs, {left} entries remain for {controls} control vector(s); "
                "check window, inputs and the output, and name in known what are neither states nor controls"
                f"{batch_hint(net)}"
            )
        m, coordinates = left // controls, normalisation or Normalisation()
        dynamics = cls(net, predicts, window, coordinates, layout, output, n, m, delay, known)
        for what, size in (("state", n), ("control", dynamics.m), ("output", n)):
            dynamics.normalisation.pair(what, size, predicts)
        for port in net.inputs:
            size = sum(dynamics.size(block) for block in layout[port.name])
            if size != port.size:
                raise InvalidProblem(
                    f"{net.name}: {port.name!r} has {port.size} entries; {list(layout[port.name])} are {size} "
                    f"(state size {n}, control size {dynamics.m}); state its layout with inputs="
                )
        return dynamics

    def size(self, block: str) -> int:
        """Entries of a block of the layout."""
        return self.known[block] if block in self.known else self.n if block.startswith("state") else self.m

    @property
    def window_inputs(self) -> list[str]:
        """Inputs of the step form: states of the window, oldest first, controls, oldest first, and known signals."""
        return [f"{kind}[{-k}]" for kind in KINDS for k in reversed(range(self.window))] + list(self.known)

    def step(self) -> NormalForm:
        """The step in physical units: inputs `window_inputs`, output "next"."""
        form = FormBuilder()
        blocks = {name: form.input(name, self.size(name)) for name in self.window_inputs}
        reads = {}
        for port in self.net.inputs:
            names, at = self.layout[port.name], 0
            terms: dict[int, sp.csr_array] = {}
            bias = np.zeros(port.size)
            for name in names:
                size, (read, shift) = self.size(name), self.reads(name)
                above, below = (sp.csr_array((rows, size)) for rows in (at, port.size - at - size))
                matrix = sp.csr_array(sp.vstack([above, read, below]))
                terms[blocks[name]] = terms[blocks[name]] + matrix if blocks[name] in terms else matrix
                bias[at : at + size] = shift
                at += size
            place = Place(f"read.{port.name}", np.arange(port.size))
            reads[port.name] = form.affine(tuple(terms), tuple(terms.values()), bias, place)
        predicted = splice(form, lower(self.net), reads)[self.output]
        matrix, offset = self.gives()
        terms = {predicted: matrix}
        if self.predicts == "change":
            terms[blocks["state[0]"]] = sp.eye_array(self.n, format="csr")
        place = Place("state", np.arange(self.n))
        next_state = form.affine(tuple(terms), tuple(terms.values()), offset, place, kept=True)
        return simplify(form.build({"next": next_state})).form

    def rollout(
        self,
        states: Array,
        past_controls: Array,
        controls: Array,
        known: Mapping[str, Array] | None = None,
        run: Callable[[Mapping[str, Array]], Mapping[str, Array]] | None = None,
    ) -> Array:
        """States (B, H + 1, n) from controls (B, H, m) and known signals (H, k).

        They start from windows of states (B, window, n) and past controls (B, window - 1 + delay, m).
        `run` evaluates the network on flat batches by name; the default is `Graph.evaluate_flat`, in float64.
        """
        run, (offset, scale) = run or self.net.evaluate_flat, self.normalisation.pair("output", self.n, self.predicts)
        history, inputs = (
            [states[:, k] for k in range(self.window)],
            [past_controls[:, k] for k in range(self.window - 1 + self.delay)],
        )
        for t in range(controls.shape[1]):
            inputs.append(controls[:, t])
            now = {name: np.tile(signal[t], (len(states), 1)) for name, signal in (known or {}).items()}
            reads = {
                name: np.concatenate([self._read(block, history, inputs, now) for block in blocks], axis=1)
                for name, blocks in self.layout.items()
            }
            predicted = offset + scale * np.asarray(run(reads)[self.output], dtype=np.float64)
            predicted = predicted @ self.turn["state"] if self.turn else predicted
            history.append(history[-1] + predicted if self.predicts == "change" else predicted)
        return np.stack(history[self.window - 1 :], axis=1)

    def _read(self, block: str, states: list[Array], controls: list[Array], known: Mapping[str, Array]) -> Array:
        if block in self.known:
            return known[block]
        kind, _, lag = block.partition("[")
        back = int(lag[:-1])
        value = states[-1 + back] if kind == "state" else controls[-1 + back - self.delay]
        offset, scale = self.normalisation.pair(kind, self.size(block))
        return np.asarray(((value @ self.turn[kind].T if self.turn else value) - offset) / scale)

    def reads(self, block: str) -> tuple[sp.csr_array, Array]:
        """Matrix and constant of what the network reads of a block; known signals are read as they are."""
        size, kind = self.size(block), block.partition("[")[0]
        if block in self.known:
            return sp.eye_array(size, format="csr"), np.zeros(size)
        offset, scale = self.normalisation.pair(kind, size)
        matrix = sp.diags_array(1.0 / scale, format="csr")
        return (sp.csr_array(matrix @ self.turn[kind]) if self.turn else matrix), -offset / scale

    def gives(self) -> tuple[sp.csr_array, Array]:
        """Matrix and constant of the next state, or its change, in what the network gives."""
        offset, scale = self.normalisation.pair("output", self.n, self.predicts)
        matrix = sp.diags_array(scale, format="csr")
        if not self.turn:
            return matrix, offset
        return sp.csr_array(self.turn["state"].T @ matrix), self.turn["state"].T @ offset


def batch_hint(net: Graph) -> str:
    """The remedy where every input and output has the same first axis: it may be a batch of fixed length."""
    shapes = [port.shape for port in (*net.inputs, *net.outputs)]
    lengths = {shape[0] for shape in shapes if len(shape) > 1}
    if len(lengths) != 1 or any(len(shape) < 2 for shape in shapes) or lengths == {1}:
        return ""
    one = {port.name: (1, *port.shape[1:]) for port in net.inputs}
    return f"; where its first axis of {lengths.pop()} is a batch, load it with shapes={one}"


def layout(value: Any, where: str) -> dict[str, tuple[str, ...]]:
    """The blocks that each input of a network reads, as a caller gives them."""
    return {name: names(blocks, f"{where}[{name!r}]") for name, blocks in mapping(value, where).items()}


def _pair(value: Any, where: str) -> tuple[Array, Array]:
    """(offset, scale)."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        refuse(value, f"normalisation: {where}", "a pair (offset, scale)")
    offset, scale = value
    return numbers(offset, f"normalisation: the offset of {where}"), numbers(
        scale, f"normalisation: the scale of {where}"
    )


def _layout(
    net: Graph, window: int, inputs: Mapping[str, Sequence[str]] | None, known: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    for name in known:
        if name in {"states", "controls"} or _BLOCK.fullmatch(name):
            raise InvalidProblem(f"known: {name!r} is the name of a state or control; call the signal something else")
    ports = [port.name for port in net.inputs]
    whole = inputs is None or any(block in {"states", "controls"} for blocks in inputs.values() for block in blocks)
    if whole and window > net.input_size:
        raise InvalidProblem(
            f"window is {window}; {net.name} has {net.input_size} inputs, too few for one entry a step"
        )
    lags = range(window - 1, -1, -1) if whole else ()
    states, controls = (tuple(f"{kind}[{-k}]" for k in lags) for kind in KINDS)
    by_name = {name: (name,) for name in ports if name in known}
    left = [name for name in ports if name not in by_name]
    if inputs is None:
        if len(left) == 1:
            return {**by_name, left[0]: states + controls}
        if len(left) == 2:
            return {**by_name, left[0]: states, left[1]: controls}
        raise InvalidProblem(
            f"{net.name} has inputs {left}; state what each reads with inputs=, or name in known what are neither "
            "states nor controls"
        )
    inputs = {**{name: blocks for name, blocks in by_name.items() if name not in inputs}, **inputs}
    if set(inputs) != set(ports):
        raise InvalidProblem(f"inputs= names {sorted(inputs)}, but {net.name} has inputs {ports}")
    layout = {}
    for name in ports:
        blocks: list[str] = []
        for block in inputs[name]:
            match = _BLOCK.fullmatch(block)
            if block in {"states", "controls"}:
                blocks += states if block == "states" else controls
            elif block in known or (match and -int(match.group(2)) < window):
                blocks.append(block)
            else:
                raise InvalidProblem(
                    f"inputs of {name!r}: cannot read {block!r}; give states, controls, state[-k] or control[-k] "
                    f"with k below the window ({window}), or the name of a known signal"
                )
        layout[name] = tuple(blocks)
    return layout
