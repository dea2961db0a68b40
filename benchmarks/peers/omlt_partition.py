"""OMLT's partition-based formulation (Tsay et al. 2021, two parts), otherwise as `peers.omlt`."""

from __future__ import annotations

import pyomo.environ as pyo
from omlt.neuralnet import ReluPartitionFormulation
from problems import Problem

from peers import omlt
from peers.omlt import solve

__all__ = ["build", "solve"]


def build(problem: Problem) -> pyo.ConcreteModel:
    """One block a step."""
    return omlt.build(problem, ReluPartitionFormulation)
