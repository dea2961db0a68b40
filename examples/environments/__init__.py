"""Contact tasks as gymnasium environments: `Push-v0`, `Sort-v0`, `Rope-v0`.

    import gymnasium, environments               # the folder examples/ on the path
    env = gymnasium.make("Push-v0", shape="T", render_mode="rgb_array")

`CartPole` and `Reacher` beside them are gymnasium's, with states, costs and success as these have them (standard.py).
task.py has what contact tasks share, draw.py the pictures, collect.py the data.
"""

import gymnasium

from environments.push import Push
from environments.rope import Rope
from environments.sort import Sort
from environments.standard import CartPole, Reacher

__all__ = ["CartPole", "Push", "Reacher", "Rope", "Sort"]

for _name, _steps in (("Push", 50), ("Sort", 80), ("Rope", 60)):
    gymnasium.register(
        f"{_name}-v0", f"environments.{_name.lower()}:{_name}", max_episode_steps=_steps, disable_env_checker=False
    )
