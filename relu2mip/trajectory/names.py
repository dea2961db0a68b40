"""How the outputs of an unrolled form are called: `state@3`, `control@0`, `cost1@3`."""

from __future__ import annotations

from relu2mip.trajectory.costs.base import NetworkTerm
from relu2mip.trajectory.statement import Statement


def name_of(kind: str, step: int) -> str:
    """The name of an output of the unrolled form: `state@3`."""
    return f"{kind}@{step}"


def cost_name(number: int, step: int) -> str:
    """The name of the value of the k-th cost network at a step."""
    return name_of(f"cost{number}", step)


def cost_outputs(problem: Statement) -> dict[str, tuple[NetworkTerm, int]]:
    """Which cost network and step each such output belongs to."""
    networks = problem.cost.networks() if problem.cost else ()
    return {
        cost_name(number, t): (network, t)
        for number, network in enumerate(networks, 1)
        for t in network.steps(problem.n, problem.horizon)
    }
