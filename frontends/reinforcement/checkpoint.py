"""A run as one file: networks and optimisers, the replay buffer, all random numbers, and where the episode is.

What follows from it equals what would have followed without interruption, on the same machine. The file is read back
without running code. `PruningSAC.save` and `load` are those of Stable-Baselines3, and keep the networks alone.
"""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 - only the error
from typing import Any

import numpy as np
import torch

from relu2mip.errors import InvalidOption
from relu2mip.frontends.reinforcement.episodes import Episodes, replay
from relu2mip.frontends.reinforcement.ofenet import Features
from relu2mip.frontends.reinforcement.policy import Hidden
from relu2mip.frontends.reinforcement.sac import PruningSAC

COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "pretrained", "settled")
BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def save_checkpoint(agent: PruningSAC, episodes: Episodes, records: list[dict[str, Any]], path: Path) -> None:
    """Write the file, whole or not at all."""
    buffer: Any = agent.replay_buffer
    features = agent.policy_kwargs["features"]
    saved = {
        "hidden": asdict(agent.policy_kwargs["hidden"]),
        "features": None if features is None else asdict(features),
        "parameters": agent.get_parameters(),
        "entropy": _log_entropy(agent).detach(),
        "counters": {name: getattr(agent, name) for name in COUNTERS},
        "buffer": {name: torch.from_numpy(getattr(buffer, name)[: buffer.size()]) for name in BUFFER},
        "position": (buffer.pos, buffer.full),
        "episode": (episodes.number, [torch.from_numpy(action) for action in episodes.actions]),
        "finished": [dict(one) for one in agent.ep_info_buffer or ()],
        "random": _random_state(agent),
        "records": json.dumps(records),
    }
    partial = path.with_suffix(".partial")
    torch.save(saved, partial)
    os.replace(partial, path)


def load_checkpoint(agent: PruningSAC, episodes: Episodes, path: Path) -> list[dict[str, Any]]:
    """Bring an agent of the same options to where the file was written; the records by then.

    Raises `InvalidOption` where the file is damaged or of another agent.
    """
    try:
        saved = torch.load(path, map_location=agent.device, weights_only=True)
        hidden = saved["hidden"]
        agent.policy_kwargs["hidden"] = Hidden(hidden["policy"], hidden["critics"], hidden["value"])
        agent.policy_kwargs["features"] = None if saved["features"] is None else Features(**saved["features"])
        agent._setup_model()
        agent.set_parameters(saved["parameters"], exact_match=True, device=agent.device)
        _log_entropy(agent).data.copy_(saved["entropy"])
        for name, value in saved["counters"].items():
            setattr(agent, name, value)
        buffer: Any = agent.replay_buffer
        buffer.pos, buffer.full = saved["position"]
        for name in BUFFER:
            getattr(buffer, name)[: buffer.size()] = saved["buffer"][name].cpu().numpy()
        _resume(agent, episodes, *saved["episode"])
        agent.ep_info_buffer = deque(saved["finished"], maxlen=agent._stats_window_size)
        agent.ep_success_buffer = deque(maxlen=agent._stats_window_size)
        _set_random_state(agent, saved["random"])
        records: list[dict[str, Any]] = json.loads(saved["records"])
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, OSError, UnpicklingError) as error:
        raise InvalidOption(f"{path}: damaged, or of another agent; remove it and train again") from error
    return records


def _resume(agent: PruningSAC, episodes: Episodes, number: int, actions: list[Any]) -> None:
    """Go back into the episode."""
    environments: Any = agent.env
    (monitor,) = environments.envs
    observation = replay(monitor, episodes, number, [action.cpu().numpy() for action in actions])
    agent._last_obs = np.array(observation)[None]
    agent._last_episode_starts = np.array([not actions])


def _log_entropy(agent: PruningSAC) -> torch.Tensor:
    """The log of the weight of entropy, which every run learns."""
    assert agent.log_ent_coef is not None
    return agent.log_ent_coef


def _random_state(agent: PruningSAC) -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - what the replay buffer draws from
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if agent.device.type == "cuda" else [],
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "actions": json.dumps(agent.action_space.np_random.bit_generator.state),
    }


def _set_random_state(agent: PruningSAC, state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and agent.device.type == "cuda":
        torch.cuda.set_rng_state_all([one.cpu() for one in state["cuda"]])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))  # noqa: NPY002
    agent.action_space.np_random.bit_generator.state = json.loads(state["actions"])
