"""Animate what models predict beside what happens: truth as it is, predicted points as rings, both ten steps ahead.

    python examples/environments/animate.py push full units-24 units-8 --output push.gif
    python examples/environments/animate.py rope units-36 --folder my/family --rollouts 5

Each stretch of a random rollout starts from the truth; after that a model knows only the controls. In green: where an
object was at first, or the piles.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))

import relu2mip as r2m
from environments import Push, Rope, Sort
from environments.collect import rollout
from environments.draw import SIZE
from environments.task import REACH, WORKSPACE, Array, Task

HERE = Path(__file__).parent
TASKS = {"push": Push, "rope": Rope, "sort": Sort}
STEPS, PAUSE = 10, 4
"""Steps of a stretch, and frames that its last one stays."""

RING = "#e07b00"


def stretch(task: Task, rng: np.random.Generator) -> tuple[list[Array], Array, Array]:
    """Pictures of a stretch with motion, its states (STEPS + 1, n) and controls (STEPS, m)."""
    while True:
        layout, pusher = task.draw_layout(rng)
        states, controls = rollout(task, rng, STEPS, (layout, pusher))
        if np.abs(states[-1] - states[0])[:-2].max() > 30:
            break
    pictures = []
    task.layout, task.pusher = layout, pusher
    task.target = task.draw_target(rng) if isinstance(task, Sort) else task.seen(layout)
    for control in (*controls, None):
        pictures.append(task.picture())
        if control is not None:
            task.layout, task.pusher = task.transition(task.layout, task.pusher, control)
    return pictures, states, controls


def ringed(picture: Array, points: Array, title: str) -> Image.Image:
    """A picture with predicted points on it."""
    image, scale = Image.fromarray(picture), SIZE / WORKSPACE
    draw = ImageDraw.Draw(image)
    for x, y in points:
        at = x * scale, SIZE - y * scale
        draw.ellipse((at[0] - 5, at[1] - 5, at[0] + 5, at[1] + 5), outline=RING, width=3)
    draw.text((8, 6), title, fill="#333333")
    return image


def frames(task: Task, nets: Sequence[r2m.Graph], count: int, seed: int) -> list[Image.Image]:
    """All frames, a picture for each network side by side."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(count):
        pictures, states, controls = stretch(task, rng)
        predicted = [r2m.Trajectory(net, STEPS, states[0], r2m.Box(-REACH, REACH)).rollout(controls) for net in nets]
        for t, picture in enumerate(pictures):
            frame = Image.new("RGB", (SIZE * len(nets), SIZE))
            for k, (net, states_of_it) in enumerate(zip(nets, predicted, strict=True)):
                points = states_of_it[t, :-2].reshape(-1, 2)
                frame.paste(ringed(picture, points, f"{net.name}, step {t}"), (SIZE * k, 0))
            made += [frame] * (PAUSE if t == STEPS else 1)
    return made


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Animate what models predict beside what happens.")
    parser.add_argument("task", choices=tuple(TASKS))
    parser.add_argument("members", nargs="+", help="names of files in the folder, such as full or units-24")
    parser.add_argument("--folder", type=Path, help="of the models")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rollouts", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(given)
    folder = arguments.folder or HERE / "families" / arguments.task
    nets = [r2m.load(folder / f"{name}.onnx") for name in arguments.members]
    discs = nets[0].inputs[0].shape[0] // 2 - 1
    task = Sort(discs) if arguments.task == "sort" else TASKS[arguments.task]()
    made = frames(task, nets, arguments.rollouts, arguments.seed)
    output = arguments.output or Path(f"{arguments.task}.gif")
    palette = made[0].quantize(48)
    small = [frame.quantize(48, palette=palette, dither=Image.Dither.NONE) for frame in made]
    small[0].save(output, save_all=True, append_images=small[1:], duration=250, loop=0, optimize=True)
    print(f"{output}: {len(made)} frames, {output.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
