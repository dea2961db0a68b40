"""L-BFGS on many samples at once: the last digits of a network whose units are fixed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relu2mip.frontends.sparsify.gates.family import Gate
from relu2mip.frontends.sparsify.objective import Objective


def polish(network: nn.Module, objective: Objective, iterations: int, samples: Tensor | None = None) -> float:
    """Train the weights of a network, in place, by so many iterations; the error in the end.

    samples: an index of training samples, all of them where not given.
    """
    index = torch.arange(objective.samples, device=objective.device) if samples is None else samples
    weights, _ = parameters(network)
    optimiser = torch.optim.LBFGS(
        weights,
        max_iter=iterations,
        history_size=50,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        error = objective.loss(network, index)
        error.backward()  # type: ignore[no-untyped-call]
        return error

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return float(objective.loss(network, index))


def parameters(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters of the layers, and those of the gates."""
    gates = [p for module in network.modules() if isinstance(module, Gate) for p in module.parameters()]
    of_gates = {id(p) for p in gates}
    return [p for p in network.parameters() if id(p) not in of_gates and p.requires_grad], gates
