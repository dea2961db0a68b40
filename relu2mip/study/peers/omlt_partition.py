"""OMLT's partition-based formulation (Tsay et al. 2021, two parts), otherwise as `peers.omlt`."""

from __future__ import annotations

import pyomo.environ as pyo
from omlt.neuralnet import ReluPartitionFormulation

from relu2mip.study.peers import omlt
from relu2mip.study.peers.omlt import solve
from relu2mip.study.peers.problem import PeerProblem

__all__ = ["build", "solve"]


def build(problem: PeerProblem) -> pyo.ConcreteModel:
    """One block a step."""
    return omlt.build(problem, ReluPartitionFormulation)
