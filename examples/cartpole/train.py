"""Train a ReLU model of CartPole-v1 and export it to ONNX.

    python examples/cartpole/train.py                                          # 2 x 8, writes dynamics.onnx
    python examples/cartpole/train.py --width 16 --output dynamics_2x16.onnx

The model predicts the change of the state over one step of 0.02 s from the state and the control, all in
physical units: the normalisation used in training is folded into the first and last layers.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from collect import collect
from numpy.typing import NDArray
from torch import nn

HERE = Path(__file__).parent
NAMES = ("position", "velocity", "angle", "angular velocity")


def mlp(inputs: int, outputs: int, width: int, hidden_layers: int) -> nn.Sequential:
    """A fully connected ReLU network in double precision."""
    sizes = [inputs, *[width] * hidden_layers]
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs)).double()


def fit(network: nn.Sequential, inputs: torch.Tensor, targets: torch.Tensor, iterations: int) -> float:
    """Minimise the mean squared error, first by Adam, then by full-batch L-BFGS. Returns the final error."""
    loss = nn.MSELoss()
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 3000)
    for _ in range(3000):
        batch = torch.randint(len(inputs), (1024,))
        adam.zero_grad()
        loss(network(inputs[batch]), targets[batch]).backward()
        adam.step()
        schedule.step()

    lbfgs = torch.optim.LBFGS(
        network.parameters(),
        max_iter=iterations,
        history_size=50,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        lbfgs.zero_grad()
        error = loss(network(inputs), targets)
        error.backward()
        return error

    lbfgs.step(closure)
    return closure().item()


@torch.no_grad()
def fold_normalisation(
    network: nn.Sequential,
    mean: torch.Tensor,
    scale: torch.Tensor,
    out_mean: torch.Tensor,
    out_scale: torch.Tensor,
) -> nn.Sequential:
    """Rewrite the first and last layers, in place, to take and give physical units."""
    first, last = network[0], network[-1]
    first.weight /= scale
    first.bias -= first.weight @ mean
    last.weight *= out_scale[:, None]
    last.bias.mul_(out_scale).add_(out_mean)
    return network


def export(network: nn.Sequential, path: Path) -> None:
    """Write ``network`` in single precision and check the file against torch in onnxruntime to 1e-5."""
    network = network.float().eval()
    example = torch.zeros(2, network[0].in_features)
    torch.onnx.export(
        network,
        (example,),
        path,
        input_names=["state_control"],
        output_names=["change"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )
    model = onnx.load(path)
    for node in model.graph.node:
        node.ClearField("metadata_props")  # stack traces with the paths of the machine that exported
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)

    points = torch.randn(1000, network[0].in_features)
    with torch.no_grad():
        expected = network(points).numpy()
    error = np.abs(predict(path, points.numpy()) - expected).max()
    if error > 1e-5:
        raise RuntimeError(f"{path} differs from the torch model by {error:.1e} in onnxruntime")


def predict(path: Path, state_control: NDArray) -> NDArray[np.float32]:
    """The change of state that the exported model predicts for each row of ``state_control`` (N, 5)."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (change,) = session.run(["change"], {"state_control": state_control.astype(np.float32)})
    return change


def open_loop_error(path: Path, transitions: dict[str, NDArray], steps: int) -> NDArray[np.float64]:
    """Root mean square error of the state after ``steps`` open-loop steps, per state variable.

    Relative to the standard deviation of the true change over those steps (the mean change would score 1).
    Uses the first ``steps`` steps of every rollout that lasts that long.
    """
    _, starts, lengths = np.unique(transitions["rollout"], return_index=True, return_counts=True)
    starts = starts[lengths >= steps]
    initial = transitions["state"][starts]
    final = transitions["next_state"][starts + steps - 1]
    state = initial.copy()
    for step in range(steps):
        control = transitions["action"][starts + step]
        state += predict(path, np.column_stack([state, control]))
    return np.sqrt(np.mean((state - final) ** 2, axis=0)) / np.std(final - initial, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a ReLU model of CartPole-v1 and export it to ONNX.")
    parser.add_argument("--width", type=int, default=8, help="ReLU units per hidden layer")
    parser.add_argument("--layers", type=int, default=2, help="hidden layers")
    parser.add_argument("--rollouts", type=int, default=3000, help="training rollouts of at most 20 steps")
    parser.add_argument("--iterations", type=int, default=1500, help="L-BFGS iterations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=HERE / "dynamics.onnx")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    training = collect(arguments.rollouts, seed=arguments.seed)
    inputs = torch.from_numpy(np.column_stack([training["state"], training["action"]]))
    targets = torch.from_numpy(training["next_state"] - training["state"])
    mean, scale = inputs.mean(dim=0), inputs.std(dim=0)
    out_mean, out_scale = targets.mean(dim=0), targets.std(dim=0)

    network = mlp(inputs.shape[1], targets.shape[1], arguments.width, arguments.layers)
    error = fit(network, (inputs - mean) / scale, (targets - out_mean) / out_scale, arguments.iterations)
    export(fold_normalisation(network, mean, scale, out_mean, out_scale), arguments.output)

    size = f"{arguments.layers} x {arguments.width} ReLU units"
    print(f"{size}, {len(inputs)} transitions, mean squared error {error:.1e} (normalised)")
    print("held-out error relative to the spread of the true change:")
    held_out = collect(500, seed=arguments.seed + 1)
    for steps in (1, 10):
        errors = open_loop_error(arguments.output, held_out, steps)
        table = ", ".join(f"{name} {value:.3%}" for name, value in zip(NAMES, errors, strict=True))
        print(f"  after {steps:2d} step{'s' * (steps > 1)}: {table}")


if __name__ == "__main__":
    main()
