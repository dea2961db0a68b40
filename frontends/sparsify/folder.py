"""The folder of a run: what it was asked, and a checkpoint and an ONNX file of every member.

run.json           options, data and sizes; a run is resumed only with the same
full.pt            checkpoint: weights of the gated network and of the hardened one, and how the gated one shrank; read
                   back without running code
full.onnx
units-16.pt ...    of each round
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 - only the error
from typing import Any

import torch
from torch import fx, nn

from relu2mip.errors import InvalidOption
from relu2mip.frontends.sparsify.gates.family import GateFamily
from relu2mip.frontends.sparsify.member import Member
from relu2mip.frontends.sparsify.objective import Objective
from relu2mip.frontends.sparsify.rewrite import sparsify
from relu2mip.frontends.sparsify.schedule import Schedule
from relu2mip.frontends.sparsify.shrinking import Gated

Export = Callable[..., Path]


@dataclass(frozen=True)
class RunFolder:
    """An open folder of a run."""

    path: Path
    objective: Objective
    family: GateFamily
    run: dict[str, Any]

    @classmethod
    def open(
        cls,
        path: Path,
        network: fx.GraphModule,
        objective: Objective,
        schedule: Schedule,
        family: GateFamily,
        resume: bool,
    ) -> RunFolder:
        """Make the folder or, to resume, check that its run is this one.

        Raises `InvalidOption` where the folder has a run and none is to be resumed, or another one.
        """
        run = {
            "schedule": asdict(schedule),
            "gates": {"family": family.name, **(asdict(family) if is_dataclass(family) else {})},
            "objective": objective.describe(),
            "parameters": {name: list(value.shape) for name, value in network.state_dict().items()},
        }
        run = json.loads(json.dumps(run))
        file = path / "run.json"
        if file.exists():
            if not resume:
                raise InvalidOption(f"{path} has a run already; resume it, or give another folder")
            earlier = json.loads(file.read_text(encoding="utf-8"))
            different = sorted(key for key in run | earlier if run.get(key) != earlier.get(key))
            if different:
                raise InvalidOption(f"the run in {path} has another {different[0]}; give the same, or another folder")
        path.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
        return cls(path, objective, family, run)

    def load(self, name: str, gated: Gated, export: Export) -> tuple[Member, Gated] | None:
        """A member saved before and the gated network as it was then; None where there is none.

        gated: the network at the start, or after an earlier round.
        """
        file = self.path / f"{name}.pt"
        if not file.exists():
            return None
        member, gated = load_checkpoint(file, gated, self.objective, self.family)
        if member.path is not None and not member.path.exists():
            export(member, self.objective, member.path)
        return member, gated

    def save(self, member: Member, gated: Gated, export: Export) -> Member:
        """Write both files of a member, each whole or not at all; the checkpoint first, so that no training is lost."""
        saved = {
            "units": member.units,
            "history": [list(kinds) for kinds in gated.history],
            "gated": gated.network.state_dict(),
            "hardened": member.network.state_dict(),
            "errors": member.errors,
            "relus": member.relus,
        }
        file = self.path / f"{member.name}.pt"
        partial = file.with_suffix(".partial")
        torch.save(saved, partial)
        os.replace(partial, file)
        return replace(member, path=export(member, self.objective, file.with_suffix(".onnx")))


def load_checkpoint(file: Path, gated: Gated, objective: Objective, family: GateFamily) -> tuple[Member, Gated]:
    """The member that a checkpoint holds, and the gated network as it was then.

    Raises `InvalidOption` where the file is damaged or of another network.
    """
    try:
        saved = torch.load(file, map_location=objective.device, weights_only=True)
        gated = gated.again([tuple(kinds) for kinds in saved["history"]], objective, family)
        gated.network.load_state_dict(saved["gated"])
        hardened = copy.deepcopy(gated.network)
        hardened.load_state_dict(saved["hardened"])
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, OSError, UnpicklingError) as error:
        raise InvalidOption(f"{file}: damaged, or of another network; remove it and train again") from error
    member = Member(saved["units"], saved["relus"], hardened.eval(), saved["errors"], file.with_suffix(".onnx"))
    return member, gated


def load_member(
    network: nn.Module, objective: Objective, family: GateFamily, folder: str | Path, name: str | None = None
) -> Member:
    """A member of the family that `train` left in a folder; the sparsest where no name is given.

    network, objective, family: what was given to `train`.

    Raises `InvalidOption` where the folder has no such member.
    """
    files = sorted(Path(folder).glob("units-*.pt"), key=lambda file: int(file.stem.partition("-")[2]))
    files += sorted(Path(folder).glob("full.pt"))
    if not files:
        raise InvalidOption(f"{folder} has no trained member; run relu2mip sparsify first")
    found = {file.stem: file for file in files}
    if name is not None and name not in found:
        raise InvalidOption(f"{folder} has no member {name!r}; it has {', '.join(found)}")
    gated = Gated(sparsify(network, objective.example(), family))
    return load_checkpoint(found[name or files[0].stem], gated, objective, family)[0]
