"""The sparsifier: from a trained or fresh torch network to an ONNX model with few ReLUs.

Every hidden unit becomes ReLU, identity or zero, architecture and weights trained together (Liu et al., Model-Based
Control with Sparse Neural Dynamics, NeurIPS 2023). Needs the extra `torch`.

    data = load_data("transitions.npz")
    objective = Simulation(data, steps=3)
    family = train(mlp(objective, hidden=(64, 64)), objective, Schedule(units=(32, 16, 8)), Gumbel(), "runs/cartpole")
    family[-1].path                    # the ONNX file of the sparsest member

    gates/         what decides about units: one family a file behind one protocol, `gates/family.py`
    networks/      architectures that are ready to use; any other torch model does as well
    data.py        transitions and samples           objective.py   errors on them: simulation.py, regression.py
    rewrite.py     a gate in place of every ReLU     training.py    the rounds of a schedule
    compaction.py  the surviving ReLUs alone         onnx_export.py as a checked ONNX file
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    from relu2mip.errors import BackendUnavailable

    raise BackendUnavailable("the sparsifier needs torch; install it with pip install 'relu2mip[torch]'") from error

from relu2mip.frontends.sparsify.compaction import compact
from relu2mip.frontends.sparsify.coordinates import Coordinates
from relu2mip.frontends.sparsify.data import Samples, Transitions
from relu2mip.frontends.sparsify.data_file import load_data
from relu2mip.frontends.sparsify.environments import collect
from relu2mip.frontends.sparsify.folder import load_member
from relu2mip.frontends.sparsify.gates import Gate, GateFamily, Kind, families, gates_of, harden
from relu2mip.frontends.sparsify.gates.bernoulli import Bernoulli
from relu2mip.frontends.sparsify.gates.channel_pruning import ChannelPruning
from relu2mip.frontends.sparsify.gates.gumbel import Gumbel
from relu2mip.frontends.sparsify.gates.linearisation import Linearisation
from relu2mip.frontends.sparsify.gates.magnitude_pruning import MagnitudePruning
from relu2mip.frontends.sparsify.gates.stability import Stability
from relu2mip.frontends.sparsify.member import Member
from relu2mip.frontends.sparsify.networks.contact import contact
from relu2mip.frontends.sparsify.networks.densenet import densenet
from relu2mip.frontends.sparsify.networks.interaction import interaction
from relu2mip.frontends.sparsify.networks.mlp import mlp
from relu2mip.frontends.sparsify.objective import Objective
from relu2mip.frontends.sparsify.onnx_export import export
from relu2mip.frontends.sparsify.regression import Regression
from relu2mip.frontends.sparsify.rewrite import sparsify
from relu2mip.frontends.sparsify.schedule import Schedule
from relu2mip.frontends.sparsify.simulation import Simulation
from relu2mip.frontends.sparsify.training import train
from relu2mip.frontends.sparsify.watch import ProgressBars, TensorBoard, Watch

__all__ = [
    "Bernoulli",
    "ChannelPruning",
    "Coordinates",
    "Gate",
    "GateFamily",
    "Gumbel",
    "Kind",
    "Linearisation",
    "MagnitudePruning",
    "Member",
    "Objective",
    "ProgressBars",
    "Regression",
    "Samples",
    "Schedule",
    "Simulation",
    "Stability",
    "TensorBoard",
    "Transitions",
    "Watch",
    "collect",
    "compact",
    "contact",
    "densenet",
    "export",
    "families",
    "gates_of",
    "harden",
    "interaction",
    "load_data",
    "load_member",
    "mlp",
    "sparsify",
    "train",
]
