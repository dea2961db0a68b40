"""One step of learned dynamics, as a normal form and as a simulator.

The network reads a window of the last `window` states and controls in a stated layout, in normalised coordinates if
it was trained in such, and predicts the next state or the change of state:

    z          = (v - offset) / scale            for each state or control v it reads
    x[t + 1]   = offset' + scale' f(z)           predicts = "state"
    x[t + 1]   = x[t] + offset' + scale' f(z)    predicts = "change"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.arrays import Array, vector
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.normal_form import FormBuilder, NormalForm, Place
from relu2mip.normal_form.lower import lower
from relu2mip.normal_form.splice import splice
from relu2mip.passes import simplify

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
    """A network as one step of a controlled system with states of size n and controls of size m."""

    net: Graph
    predicts: str
    window: int
    normalisation: Normalisation
    layout: Mapping[str, tuple[str, ...]]
    output: str
    n: int
    m: int

    @classmethod
    def of(
        cls,
        net: Graph,
        predicts: str = "state",
        window: int = 1,
        normalisation: Normalisation | None = None,
        inputs: Mapping[str, Sequence[str]] | None = None,
        output: str | None = None,
    ) -> Dynamics:
        """Work out the layout and the sizes; raises `InvalidProblem` where the network does not fit them."""
        if predicts not in {"state", "change"}:
            raise InvalidProblem(f'predicts is {predicts!r}; give "state" or "change"')
        if not isinstance(window, int) or window < 1:
            raise InvalidProblem(f"window is {window!r}; give a whole number of steps, at least 1")
        ports = {port.name: port for port in net.outputs}
        if output is None and len(ports) > 1:
            raise InvalidProblem(f"{net.name} has outputs {list(ports)}; say which one predicts with output=")
        output = next(iter(ports)) if output is None else output
        if output not in ports:
            raise InvalidProblem(f"{net.name} has no output {output!r}; it has {list(ports)}")
        n = ports[output].size
        layout = _layout(net, window, inputs)
        blocks = [block for names in layout.values() for block in names]
        states, controls = (sum(b.startswith(kind) for b in blocks) for kind in ("state", "control"))
        left = net.input_size - states * n
        if not controls or left <= 0 or left % controls:
            raise InvalidProblem(
                f"{net.name} has {net.input_size} inputs and predicts {n} states: with {states} state vector(s) "
                f"among its inputs, {left} entries remain for {controls} control vector(s); "
                "check window, inputs and the output"
            )
        dynamics = cls(net, predicts, window, normalisation or Normalisation(), layout, output, n, left // controls)
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
        return self.n if block.startswith("state") else self.m

    @property
    def window_inputs(self) -> list[str]:
        """Inputs of the step form: states of the window, oldest first, then controls, oldest first."""
        return [f"{kind}[{-k}]" for kind in ("state", "control") for k in reversed(range(self.window))]

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
                size = self.size(name)
                offset, scale = self.normalisation.pair(name.partition("[")[0], size)
                entry = (1.0 / scale, (np.arange(at, at + size), np.arange(size)))
                matrix = sp.csr_array(entry, shape=(port.size, size))
                terms[blocks[name]] = terms[blocks[name]] + matrix if blocks[name] in terms else matrix
                bias[at : at + size] = -offset / scale
                at += size
            place = Place(f"read.{port.name}", np.arange(port.size))
            reads[port.name] = form.affine(tuple(terms), tuple(terms.values()), bias, place)
        predicted = splice(form, lower(self.net), reads)[self.output]
        offset, scale = self.normalisation.pair("output", self.n, self.predicts)
        terms = {predicted: sp.diags_array(scale, format="csr")}
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
        run: Callable[[Mapping[str, Array]], Mapping[str, Array]] | None = None,
    ) -> Array:
        """States (B, H + 1, n) from controls (B, H, m).

        They start from windows of states (B, window, n) and past controls (B, window - 1, m).
        `run` evaluates the network on flat batches by name; the default is `Graph.evaluate_flat`, in float64.
        """
        run = run or self.net.evaluate_flat
        history, inputs = (
            [states[:, k] for k in range(self.window)],
            [past_controls[:, k] for k in range(self.window - 1)],
        )
        for t in range(controls.shape[1]):
            inputs.append(controls[:, t])
            reads = {
                name: np.concatenate([self._read(block, history, inputs) for block in blocks], axis=1)
                for name, blocks in self.layout.items()
            }
            offset, scale = self.normalisation.pair("output", self.n, self.predicts)
            predicted = offset + scale * np.asarray(run(reads)[self.output], dtype=np.float64)
            history.append(history[-1] + predicted if self.predicts == "change" else predicted)
        return np.stack(history[self.window - 1 :], axis=1)

    def _read(self, block: str, states: list[Array], controls: list[Array]) -> Array:
        kind, _, lag = block.partition("[")
        value = (states if kind == "state" else controls)[-1 + int(lag[:-1])]
        offset, scale = self.normalisation.pair(kind, self.size(block))
        return np.asarray((value - offset) / scale)


def _layout(net: Graph, window: int, inputs: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
    names = [port.name for port in net.inputs]
    whole = inputs is None or any(block in {"states", "controls"} for blocks in inputs.values() for block in blocks)
    if whole and window > net.input_size:
        raise InvalidProblem(
            f"window is {window}; {net.name} has {net.input_size} inputs, too few for one entry a step"
        )
    lags = range(window - 1, -1, -1) if whole else ()
    states, controls = (tuple(f"{kind}[{-k}]" for k in lags) for kind in ("state", "control"))
    if inputs is None:
        if len(names) == 1:
            return {names[0]: states + controls}
        if len(names) == 2:
            return {names[0]: states, names[1]: controls}
        raise InvalidProblem(f"{net.name} has inputs {names}; state what each reads with inputs=")
    if set(inputs) != set(names):
        raise InvalidProblem(f"inputs= names {sorted(inputs)}, but {net.name} has inputs {names}")
    layout = {}
    for name in names:
        blocks: list[str] = []
        for block in inputs[name]:
            match = _BLOCK.fullmatch(block)
            if block in {"states", "controls"}:
                blocks += states if block == "states" else controls
            elif match and -int(match.group(2)) < window:
                blocks.append(block)
            else:
                raise InvalidProblem(
                    f"inputs of {name!r}: cannot read {block!r}; give states, controls, state[-k] or control[-k] "
                    f"with k below the window ({window})"
                )
        layout[name] = tuple(blocks)
    return layout
