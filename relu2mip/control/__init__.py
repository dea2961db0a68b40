"""Receding-horizon control: planners with deadlines, a controller around them, and closed loops.

from relu2mip import control
controller = control.Controller(problem, "hybrid", period=0.05)
run = control.simulate(controller, environment, steps=500, seed=0)
run.save("run.npz")
"""

from relu2mip.control.cem import Cem
from relu2mip.control.controller import Controller
from relu2mip.control.gradient import Gradient
from relu2mip.control.hybrid import Hybrid
from relu2mip.control.mip import Mip
from relu2mip.control.mppi import Mppi
from relu2mip.control.plan import Plan
from relu2mip.control.planner import Planner, planner
from relu2mip.control.run import Run
from relu2mip.control.simulate import simulate
from relu2mip.control.step import Rung, Step

__all__ = [
    "Cem",
    "Controller",
    "Gradient",
    "Hybrid",
    "Mip",
    "Mppi",
    "Plan",
    "Planner",
    "Run",
    "Rung",
    "Step",
    "planner",
    "simulate",
]
