"""Train a network with gates in rounds: a family of models from full to sparsest.

Weights and gates together minimise E[L] + penalty, with L the error of the `Objective` and the penalty of the gate
family. Source: Liu et al., Model-Based Control with Sparse Neural Dynamics, NeurIPS 2023.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import fx, nn

from relu2mip.errors import InvalidOption
from relu2mip.frontends.sparsify.folder import RunFolder
from relu2mip.frontends.sparsify.gates.family import GateFamily, gates_of, harden
from relu2mip.frontends.sparsify.gates.gumbel import Gumbel
from relu2mip.frontends.sparsify.member import Member, member_name
from relu2mip.frontends.sparsify.networks.seeded import seeded
from relu2mip.frontends.sparsify.objective import Objective
from relu2mip.frontends.sparsify.polish import parameters, polish
from relu2mip.frontends.sparsify.rewrite import sparsify
from relu2mip.frontends.sparsify.schedule import Schedule
from relu2mip.frontends.sparsify.shrinking import Gated
from relu2mip.frontends.sparsify.watch import Watch
from relu2mip.threads import one_thread

LAST_RATE = 0.01
"""The learning rate at the end of a phase, as a share of that at its start."""


def train(
    network: nn.Module,
    objective: Objective,
    schedule: Schedule = Schedule(),  # noqa: B008 - frozen
    family: GateFamily = Gumbel(),  # noqa: B008 - frozen
    folder: str | Path | None = None,
    resume: bool = False,
    watch: Sequence[Watch] = (),
) -> list[Member]:
    """Train a network and its gates; the members of the family, the full one first.

    network: any model that `sparsify` takes, called as the objective calls it; it stays as it is.  folder: where each
    round leaves a checkpoint and an ONNX file.  resume: go on with the run in the folder; the result is that of a run
    without interruption.

    Raises `InvalidOption` where a round has as many units as the network or more, or the error becomes NaN, and what
    `sparsify` and `export` raise.
    """
    device = torch.device("cuda" if schedule.device != "cpu" and torch.cuda.is_available() else "cpu")
    if schedule.device == "cuda" and device.type != "cuda":
        raise InvalidOption('device is "cuda", and torch finds none; give "cpu" or "auto"')
    objective = objective.to(device)
    network = copy.deepcopy(network).to(device).train()
    with seeded(schedule.seed, device):
        gated = sparsify(network, objective.example(), family).to(device)
    _check_units(schedule, gated)
    run = None if folder is None else RunFolder.open(Path(folder), gated, objective, schedule, family, resume)
    narrowings = [(None,), *schedule.narrowings(sum(gate.size for gate in gates_of(gated).values()))]
    phases = _Phases(objective, schedule, family, watch, narrowings)
    members: list[Member] = []
    try:
        with one_thread():
            family.prepare(gated, objective)
            for member in _members(Gated(gated), phases, run):
                members.append(member)
                for one in watch:
                    one.member(member)
    finally:
        for one in watch:
            one.close()
    return members


def _members(gated: Gated, phases: _Phases, run: RunFolder | None) -> Iterator[Member]:
    """The members, one a round; those that the folder holds are read instead of trained."""
    from relu2mip.frontends.sparsify.onnx_export import export, relus

    objective, family = phases.objective, phases.family
    for number, units in enumerate((None, *phases.schedule.units)):
        saved = None if run is None else run.load(member_name(units), gated, export)
        if saved is not None:
            member, gated = saved
        else:
            for step, keep in enumerate(phases.narrowings[number]):
                if keep is not None:
                    family.before_narrow(gated.network, keep, objective)
                    family.narrow(gated.network, keep)
                    gated = gated.shrunk(objective, family)
                phases.train_gated(gated.network, number, step)
            hardened = phases.finetune(gated.network, number, units)
            if phases.schedule.carry:
                _carry(hardened, gated.network)
            member = Member(units, relus(hardened, objective), hardened, objective.errors(hardened))
            if run is not None:
                member = run.save(member, gated, export)
        yield member


@dataclass(frozen=True)
class _Phases:
    """The two kinds of phases, each seeded by its number: a run that is resumed draws the same numbers."""

    objective: Objective
    schedule: Schedule
    family: GateFamily
    watch: Sequence[Watch]
    narrowings: Sequence[Sequence[int | None]]

    def train_gated(self, network: fx.GraphModule, number: int, step: int) -> None:
        """Weights and gates together, after a step of a round."""
        schedule, keep = self.schedule, self.narrowings[number][step]
        lengths = [[schedule.round_epochs if number else schedule.epochs] * len(one) for one in self.narrowings]
        before = sum(sum(one) for one in lengths[:number]) + sum(lengths[number][:step])
        total, length = max(sum(sum(one) for one in lengths), 1), lengths[number][step]
        what = "all units" if keep is None else f"{keep} units"
        with seeded(_seed(schedule.seed, 2 * number, step), self.objective.device):
            self._run(network, length, f"{what}: train", (before / total, length / total))

    def finetune(self, gated: fx.GraphModule, number: int, units: int | None) -> fx.GraphModule:
        """A copy with the gated units hardened to ReLU, its weights trained on."""
        network = copy.deepcopy(gated)
        harden(network)
        what = "all units" if units is None else f"{units} units"
        with seeded(_seed(self.schedule.seed, 2 * number + 1), self.objective.device):
            self._run(network, self.schedule.finetune_epochs, f"{what}: fine-tune")
            if self.schedule.rollout_steps:
                further = replace(self, objective=self.objective.over(self.schedule.rollout_steps))
                seen = max(1, further.objective.samples // self.schedule.rollout_steps)
                further._run(network, self.schedule.rollout_epochs, f"{what}: roll out", seen=seen)
        if self.schedule.polish:
            polish(network.train(), self.objective, self.schedule.polish)
        return network.eval()

    def _run(
        self,
        network: fx.GraphModule,
        epochs: int,
        name: str,
        progress: tuple[float, float] | None = None,
        seen: int | None = None,
    ) -> None:
        """One phase.

        progress: where in all training with gates it begins, and its share of that; None for a member, without gates.
        seen: samples of an epoch, drawn anew for each; None for all.
        """
        if not epochs:
            return
        network.train()
        schedule, objective, family = self.schedule, self.objective, self.family
        penalise = family.member_penalty if progress is None else family.penalty
        for one in self.watch:
            one.phase(name, epochs)
        weights, gates = parameters(network)
        groups = [{"params": weights, "peak": schedule.learning_rate}]
        if progress is not None and gates:
            groups.append({"params": gates, "peak": schedule.gate_learning_rate})
        optimiser = torch.optim.Adam(groups, lr=schedule.learning_rate, fused=True)
        seen = objective.samples if seen is None else seen
        batch = min(schedule.batch or seen, seen)
        batches = seen // batch
        for epoch in range(epochs):
            order = torch.randperm(objective.samples, device=objective.device)[:seen]
            rate = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * epoch / epochs)) / 2
            for group in optimiser.param_groups:
                group["lr"] = rate * group["peak"]
            errors, penalty = torch.zeros((), device=objective.device), 0.0
            for k in range(batches):
                if progress is not None:
                    family.before_step(network, progress[0] + progress[1] * (epoch + k / batches) / epochs)
                error = objective.loss(network, order[k * batch : (k + 1) * batch])
                price = penalise(network)
                optimiser.zero_grad()
                (error + price).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                if progress is not None:
                    family.after_step(network)
                errors += error.detach()
                penalty = float(price.detach()) if isinstance(price, torch.Tensor) else price
            mean = float(errors) / batches
            if not math.isfinite(mean):
                raise InvalidOption(f"{name}: the error is {mean} after epoch {epoch + 1}; lower learning_rate")
            for one in self.watch:
                one.epoch(mean, penalty)


@torch.no_grad()
def _carry(member: nn.Module, gated: nn.Module) -> None:
    """Give the gated network the weights of a member; its gates stay as they are."""
    for mine, found in zip(parameters(gated)[0], parameters(member)[0], strict=True):
        mine.copy_(found)


def _seed(seed: int, phase: int, step: int = 0) -> int:
    return 1000 * seed + phase + 1_000_000 * step


def _check_units(schedule: Schedule, network: nn.Module) -> None:
    total = sum(gate.size for gate in gates_of(network).values())
    if schedule.units and schedule.units[0] >= total:
        raise InvalidOption(f"units starts with {schedule.units[0]}; the network has {total} units, give fewer")
