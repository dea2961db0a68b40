"""Finding a good feasible plan before the search: sampling, gradient descent, and a linear program at fixed pattern."""

from relu2mip.incumbent.sample import Sampling, cross_entropy
from relu2mip.unrolled.plan import Plan

__all__ = ["Plan", "Sampling", "cross_entropy"]
