"""Where dynamics are sparse: what each state depends on, measured on simulators and proven of networks."""

from relu2mip.analysis.certified import CertifiedGraph, certified_graph
from relu2mip.analysis.environments import system_of
from relu2mip.analysis.exact import ExactOptions
from relu2mip.analysis.horizon import Dependencies, certified_dependencies
from relu2mip.analysis.jacobians import Rollouts, jacobians
from relu2mip.analysis.measures import MeasureOptions, Measures, measure
from relu2mip.analysis.system import StepFunction, System

__all__ = [
    "CertifiedGraph",
    "Dependencies",
    "ExactOptions",
    "MeasureOptions",
    "Measures",
    "Rollouts",
    "StepFunction",
    "System",
    "certified_dependencies",
    "certified_graph",
    "jacobians",
    "measure",
    "system_of",
]
