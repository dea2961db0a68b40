"""Reinforcement learning that trains and prunes at the same time, and ends in ONNX. Needs the extra `rl`.

SAC learns on features, which learn to predict the next observation; every hidden unit has a gate, and units that do not
pay for their parameters leave while training goes on (Guenter & Sideris, Online Training and Pruning of Deep
Reinforcement Learning Networks, 2025). With ReLU, what is left is a dynamics model to plan through and a policy to
verify.

    features = Features(observation=(32, 32), action=(32, 32))
    pruning = Pruning(features=3e-7, policy=1e-3, critics=3e-4, start=4000, end=9600)
    agent = PruningSAC("MlpPolicy", "Pendulum-v1", hidden=(128, 128), features=features, pruning=pruning, seed=0)
    agent.learn(12000)
    export_predictor(agent, "dynamics.onnx")          # state, control -> next_state
    export_policy(agent, "policy.onnx")               # state -> mean of the action, before tanh

    experiment = read_experiment("config.toml")       # arms, seeds and steps
    train(experiment, "prune-b", seed=0)              # saved as it goes, resumable
    report(experiment)                                # scores and parameters of every arm

    gates.py   dense.py   ofenet.py       networks whose units have gates
    complexity.py   prices.py             what a unit costs
    removal.py   shrink.py                units leave weights and optimisers
    policy.py   sac.py                    Stable-Baselines3's SAC with these networks and this update
    experiment.py   config.py             what is compared: arms, as TOML
    training.py   checkpoint.py           runs          report.py   onnx_export.py   what comes out
"""

try:
    import stable_baselines3 as _stable_baselines3  # noqa: F401
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    from relu2mip.errors import BackendUnavailable

    raise BackendUnavailable(
        f"reinforcement learning needs {error.name}; install it with pip install 'relu2mip[rl]'"
    ) from error

from relu2mip.frontends.reinforcement.config import read_experiment
from relu2mip.frontends.reinforcement.counts import deployed_parameters, layer_sizes, trained_parameters
from relu2mip.frontends.reinforcement.experiment import Arm, Evaluation, Experiment, SacOptions
from relu2mip.frontends.reinforcement.ofenet import Features, OFENet
from relu2mip.frontends.reinforcement.onnx_export import action_of, export_policy, export_predictor
from relu2mip.frontends.reinforcement.pruning import Pruning
from relu2mip.frontends.reinforcement.report import Row, report
from relu2mip.frontends.reinforcement.sac import PruningSAC
from relu2mip.frontends.reinforcement.training import load_agent, train
from relu2mip.frontends.reinforcement.watch import ProgressBars, Watch

__all__ = [
    "Arm",
    "Evaluation",
    "Experiment",
    "Features",
    "OFENet",
    "ProgressBars",
    "Pruning",
    "PruningSAC",
    "Row",
    "SacOptions",
    "Watch",
    "action_of",
    "deployed_parameters",
    "export_policy",
    "export_predictor",
    "layer_sizes",
    "load_agent",
    "read_experiment",
    "report",
    "train",
    "trained_parameters",
]
