"""Trajectory problems: dynamics, sets, costs, and how they are written on the columns of a model."""
