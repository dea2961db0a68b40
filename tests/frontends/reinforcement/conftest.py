"""Reinforcement learning needs the extra `rl`."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")
