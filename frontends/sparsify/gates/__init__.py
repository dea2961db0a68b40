"""Gate families: ways to decide which hidden units stay ReLUs, one a file behind one protocol (`family.py`)."""

from relu2mip.frontends.sparsify.gates.family import Gate, GateFamily, Kind, gates_of, harden
from relu2mip.registry import Registry

families: Registry = Registry(
    "gates",
    {
        "gumbel": "relu2mip.frontends.sparsify.gates.gumbel:Gumbel",
        "channel-pruning": "relu2mip.frontends.sparsify.gates.channel_pruning:ChannelPruning",
        "magnitude-pruning": "relu2mip.frontends.sparsify.gates.magnitude_pruning:MagnitudePruning",
        "stability": "relu2mip.frontends.sparsify.gates.stability:Stability",
        "linearisation": "relu2mip.frontends.sparsify.gates.linearisation:Linearisation",
        "bernoulli": "relu2mip.frontends.sparsify.gates.bernoulli:Bernoulli",
    },
)
"""Gate families by name; another package adds its own through the entry point group `relu2mip.gates`."""

__all__ = ["Gate", "GateFamily", "Kind", "families", "gates_of", "harden"]
