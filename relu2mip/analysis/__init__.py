"""Where dynamics are sparse: what each state depends on, measured on simulators and proven of networks."""

from relu2mip.analysis.certified import CertifiedGraph, certified_graph
from relu2mip.analysis.exact import ExactOptions
from relu2mip.analysis.horizon import Dependencies, certified_dependencies

__all__ = [
    "CertifiedGraph",
    "Dependencies",
    "ExactOptions",
    "certified_dependencies",
    "certified_graph",
]
