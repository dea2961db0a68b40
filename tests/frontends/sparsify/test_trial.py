"""The last units, chosen by trial."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from relu2mip.errors import InvalidOption  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Gumbel,
    Kind,
    Regression,
    Samples,
    gates_of,
    harden,
    mlp,
    sparsify,
)
from relu2mip.frontends.sparsify.gates.trial import fix_by_trial  # noqa: E402
from relu2mip.frontends.sparsify.polish import polish  # noqa: E402


def wasteful() -> tuple[nn.Module, Regression]:
    """x + relu(x - 0.4), where x = relu(x) - relu(-x) takes two ReLUs that one identity could replace."""
    x = np.linspace(-1, 1, 301)
    objective = Regression(Samples.of(x, x + np.maximum(x - 0.4, 0)), validation=0.0)
    network = mlp(objective, hidden=(3,))
    mean, spread = (float(part[0]) for part in (objective.input_units[0].offset, objective.input_units[0].scale))
    low, width = (float(part[0]) for part in (objective.output_units.offset, objective.output_units.scale))
    with torch.no_grad():  # in the coordinates that the core sees
        network.core[0].weight.copy_(torch.tensor([[spread], [-spread], [spread]]))
        network.core[0].bias.copy_(torch.tensor([mean, -mean, mean - 0.4]))
        network.core[2].weight.copy_(torch.tensor([[1.0, -1.0, 1.0]]) / width)
        network.core[2].bias.fill_(-low / width)
    gated = sparsify(network, objective.example(), Gumbel())
    assert objective.errors(harden(sparsify(network, objective.example(), Gumbel())).eval())["output"] < 1e-5
    return gated, objective


def test_what_one_unit_could_say_is_left_to_one() -> None:
    network, objective = wasteful()
    fix_by_trial(network, objective, 1, iterations=30)
    (gate,) = gates_of(network).values()
    assert gate.count(Kind.GATED) == 1
    assert objective.errors(harden(network).eval())["output"] < 1e-3


def test_the_probabilities_alone_do_not_say_so() -> None:
    """All units equally sure: what the trial is for."""
    network, objective = wasteful()
    Gumbel().narrow(network, 1)
    hardened = harden(network).eval()
    (gate,) = gates_of(hardened).values()
    assert gate.kind.tolist() == [Kind.IDENTITY, Kind.IDENTITY, Kind.RELU]
    with torch.no_grad():
        before = objective.errors(hardened)["output"]
    assert before > 0.1


@pytest.mark.parametrize(("units", "keep", "left"), [(2, 1, 1), (2, 2, 3), (8, 1, 1), (8, 3, 3), (0, 1, 3)])
def test_trials_start_where_few_units_are_left(units: int, keep: int, left: int) -> None:
    network, objective = wasteful()
    family = Gumbel(trial_units=units, trial_iterations=5)
    family.before_narrow(network, keep, objective)
    assert sum(gate.count(Kind.GATED) for gate in gates_of(network).values()) == left
    family.narrow(network, keep)
    assert sum(gate.count(Kind.GATED) for gate in gates_of(network).values()) == keep


def test_without_iterations_there_is_no_trial() -> None:
    network, objective = wasteful()
    weights = [p.clone() for p in network.parameters()]
    Gumbel().before_narrow(network, 1, objective)
    assert all(torch.equal(a, b) for a, b in zip(weights, network.parameters(), strict=True))
    (gate,) = gates_of(network).values()
    assert gate.count(Kind.GATED) == 3


def test_polish_lowers_the_error_and_leaves_gates_alone() -> None:
    x = np.linspace(-1, 1, 200)
    objective = Regression(Samples.of(x, np.abs(x)), validation=0.0)
    network = sparsify(mlp(objective, hidden=(8,)), objective.example(), Gumbel())
    logits = next(iter(gates_of(network).values())).logits.clone()
    harden(network).eval()
    everything = torch.arange(objective.samples)
    with torch.no_grad():
        before = float(objective.loss(network, everything))
    after = polish(network, objective, 20)
    with torch.no_grad():
        assert after == float(objective.loss(network, everything)) < 0.1 * before
    assert torch.equal(next(iter(gates_of(network).values())).logits, logits)


@pytest.mark.parametrize("option", ["trial_units", "trial_iterations"])
def test_negative_options_are_refused(option: str) -> None:
    with pytest.raises(InvalidOption, match=f"{option} is -1; give at least 0"):
        Gumbel(**{option: -1})
