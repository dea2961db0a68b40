"""Train the arms of an experiment, one run after another; each is saved as it goes and can be resumed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure

from relu2mip.errors import BackendUnavailable, InvalidOption
from relu2mip.frontends.reinforcement.checkpoint import load_checkpoint, save_checkpoint
from relu2mip.frontends.reinforcement.counts import deployed_parameters, layer_sizes, trained_parameters
from relu2mip.frontends.reinforcement.episodes import Episodes, make_environment
from relu2mip.frontends.reinforcement.experiment import Experiment
from relu2mip.frontends.reinforcement.sac import PruningSAC
from relu2mip.frontends.reinforcement.watch import Watch
from relu2mip.threads import one_thread

SAVED, RECORDS, RUN, AGENT = "checkpoint.pt", "records.json", "run.json", "agent.zip"


def train(
    experiment: Experiment,
    arm: str,
    seed: int = 0,
    resume: bool = False,
    watch: Sequence[Watch] = (),
    tensorboard: bool = False,
) -> PruningSAC:
    """Train an arm from a seed to the last step of the experiment; the agent.

    In the folder of the run it leaves run.json (what was asked), records.json (one record an evaluation: step, score,
    returns, parameters, sizes of all layers), checkpoint.pt, and at the end agent.zip, which `PruningSAC.load` reads.
    resume: go on with what is there; the result is that of a run without interruption.  tensorboard: write
    what Stable-Baselines3 logs as events too.

    Raises `InvalidOption` where the folder has a run and none is to be resumed, or another one, and
    `BackendUnavailable` where events are asked for without the package tensorboard.
    """
    if tensorboard:
        _check_tensorboard()
    folder = _opened(experiment, arm, seed, resume)
    with one_thread():
        agent, episodes = make_agent(experiment, arm, seed)
        records: list[dict[str, Any]] = []
        if (folder / SAVED).exists():
            records = load_checkpoint(agent, episodes, folder / SAVED)
        agent.set_logger(configure(str(folder), ["tensorboard"] if tensorboard else []))
        for one in watch:
            one.start(arm, seed, experiment.steps, agent.num_timesteps)
        while agent.num_timesteps < experiment.steps:
            began = time.process_time()
            _learn(agent, experiment)
            spent = time.process_time() - began
            records.append({**_record(agent, experiment, seed), "seconds": spent})
            save_checkpoint(agent, episodes, records, folder / SAVED)
            _write(folder / RECORDS, records)
            for one in watch:
                one.record(records[-1])
        if not (folder / AGENT).exists():
            agent.save(folder / AGENT)
    return agent


def make_agent(experiment: Experiment, arm: str, seed: int) -> tuple[PruningSAC, Episodes]:
    """A new agent of an arm in its environment."""
    environment, episodes = make_environment(experiment.environment, seed)
    return PruningSAC("MlpPolicy", environment, seed=seed, **experiment.agent_options(arm)), episodes


def load_agent(experiment: Experiment, arm: str, seed: int) -> PruningSAC:
    """The agent that `train` left, as it was saved last.

    Raises `InvalidOption` where the experiment has no such run.
    """
    path = experiment.run(arm, seed) / SAVED
    if not path.exists():
        raise InvalidOption(f"{path.parent} has no run; train it first: relu2mip rl train")
    agent, episodes = make_agent(experiment, arm, seed)
    with _random_numbers_kept():
        load_checkpoint(agent, episodes, path)
    return agent


def _learn(agent: PruningSAC, experiment: Experiment) -> None:
    """Up to the next evaluation."""
    every = experiment.evaluation.every
    until = min((agent.num_timesteps // every + 1) * every, experiment.steps)
    agent.learn(until - agent.num_timesteps, reset_num_timesteps=False, log_interval=4)


def _record(agent: PruningSAC, experiment: Experiment, seed: int) -> dict[str, Any]:
    """Score and sizes, now. Episodes of an evaluation start from the same seeds in every run and at every step."""
    environment, _ = make_environment(experiment.environment, 1_000_000 + seed)
    found: Any = evaluate_policy(agent, environment, experiment.evaluation.episodes, return_episode_rewards=True)
    returns = [float(one) for one in found[0]]
    environment.close()
    return {
        "step": agent.num_timesteps,
        "updates": agent._n_updates,
        "score": float(np.mean(returns)),
        "returns": returns,
        "deployed": deployed_parameters(agent.policy),
        "trained": trained_parameters(agent.policy),
        "layers": layer_sizes(agent.policy),
    }


def _opened(experiment: Experiment, arm: str, seed: int, resume: bool) -> Path:
    """The folder of a run, after checks."""
    experiment.chosen((arm,), (seed,))
    folder = experiment.run(arm, seed)
    asked = {
        "environment": experiment.environment,
        "steps": experiment.steps,
        "seed": seed,
        "arm": asdict(experiment.arms[arm]),
        "sac": asdict(experiment.sac),
        "evaluation": asdict(experiment.evaluation),
    }
    asked = json.loads(json.dumps(asked))
    file = folder / RUN
    if file.exists():
        if not resume:
            raise InvalidOption(f"{folder} has a run already; resume it, or give another folder")
        earlier = json.loads(file.read_text(encoding="utf-8"))
        different = sorted(key for key in asked | earlier if asked.get(key) != earlier.get(key))
        if different:
            raise InvalidOption(f"the run in {folder} has another {different[0]}; give the same, or another folder")
    folder.mkdir(parents=True, exist_ok=True)
    _write(file, asked)
    return folder


def _check_tensorboard() -> None:
    """Before the folder of a run is made."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise BackendUnavailable("TensorBoard is not installed; pip install tensorboard") from error


def _write(path: Path, data: Any) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """The generators of the program are after the block as before it."""
    import random

    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - agents seed it
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
