"""The sparsifier: from a trained or fresh torch network to an ONNX model with few ReLUs.

Every hidden unit becomes ReLU, identity or zero, architecture and weights trained together (Liu et al., Model-Based
Control with Sparse Neural Dynamics, NeurIPS 2023). Needs the extra `torch`.

    gates/       what decides about units: one family a file behind one protocol, `gates/family.py`
    networks/    architectures that are ready to use; any other torch model does as well
    rewrite.py   a gate in place of every ReLU of a traced model
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    from relu2mip.errors import BackendUnavailable

    raise BackendUnavailable("the sparsifier needs torch; install it with pip install 'relu2mip[torch]'") from error

from relu2mip.frontends.sparsify.gates import Gate, GateFamily, Kind, families, gates_of, harden
from relu2mip.frontends.sparsify.gates.gumbel import Gumbel
from relu2mip.frontends.sparsify.rewrite import sparsify

__all__ = ["Gate", "GateFamily", "Gumbel", "Kind", "families", "gates_of", "harden", "sparsify"]
