"""A step of a problem as a piecewise-affine map: its activation regions, and which of them can follow which."""

from relu2mip.regions.enumerate import RegionsOutOfTime, TooManyRegions, enumerate_regions
from relu2mip.regions.region import Region
from relu2mip.regions.steps import Step, split

__all__ = ["Region", "RegionsOutOfTime", "Step", "TooManyRegions", "enumerate_regions", "split"]
